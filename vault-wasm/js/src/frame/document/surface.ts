import type { Vault } from "../../client/vault.js";
import type { Settings } from "../../elements/parts/settings.js";
import { language } from "../../elements/strings/index.js";
import type { ToApp, View } from "../protocol.js";

/** What the frame shows: part of the app's page, or the inside of its dialog. */
export class Surface {
  readonly #vault: Vault;
  readonly #post: (message: ToApp) => void;
  #settings: Settings | undefined;
  #view: View = "settings";

  constructor(vault: Vault, post: (message: ToApp) => void) {
    this.#vault = vault;
    this.#post = post;
    vault.subscribe(() => this.#done());
    addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.#settings?.parentElement?.className === "dialog") this.dismiss();
    });
  }

  /** Shows it as part of the app's page, for good. */
  inline(view: View): void {
    const place = document.createElement("main");
    place.className = "inline";
    place.append(this.#make(view, undefined));
    document.body.replaceChildren(place);
    this.#measure(place);
  }

  /** Shows it inside the app's dialog. */
  open(view: View, provider: string | undefined): void {
    // A recovery code that is on screen is shown only once: nothing takes its place.
    if (this.#settings?.inTheMiddle) return;
    const place = document.createElement("main");
    const bar = document.createElement("div");
    const close = document.createElement("button");
    place.className = "dialog";
    bar.className = "bar";
    close.type = "button";
    close.textContent = language.strings.close;
    close.dataset["testid"] = "frame-close";
    close.addEventListener("click", () => this.dismiss());
    bar.append(close);
    const settings = this.#make(view, provider);
    place.append(bar, settings);
    document.body.replaceChildren(place);
    this.#measure(place);
    settings.addEventListener("keyferry-ready", () => this.#done());
    void settings.updateComplete.then(() => settings.focusFirst());
    this.#done();
  }

  /** Closes, unless a recovery code is on screen. */
  dismiss(): void {
    if (!this.#settings?.inTheMiddle) this.#close();
  }

  #make(view: View, provider: string | undefined): Settings {
    const settings = document.createElement("keyferry-settings") as Settings;
    settings.vault = this.#vault;
    settings.view = view;
    settings.provider = provider;
    this.#settings = settings;
    this.#view = view;
    return settings;
  }

  /** Who was only asked to unlock is done once the vault is open. */
  #done(): void {
    const waiting = this.#settings?.parentElement?.className === "dialog" && this.#view === "unlock";
    if (waiting && this.#vault.state === "unlocked" && !this.#settings?.inTheMiddle) this.#close();
  }

  #close(): void {
    document.body.replaceChildren();
    this.#settings = undefined;
    this.#post({ t: "closed" });
  }

  #measure(place: HTMLElement): void {
    new ResizeObserver(() => this.#post({ t: "size", height: place.offsetHeight })).observe(place);
  }
}
