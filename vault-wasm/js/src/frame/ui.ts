import { VaultError } from "../errors.js";
import { appearanceAt } from "./appearance.js";
import { Embedded } from "./embed.js";
import type { Appearance, Connect, ToApp, View } from "./protocol.js";

/** The vault's own user interface, as an app can ask for it. */
export interface VaultUi {
  /** Where it is shown: in the vault's frame, or by `keyferry/elements` in this page. */
  readonly where: "frame" | "page";
  /**
   * Shows a dialog and resolves when it is closed. `unlock` closes by itself
   * once the vault is open. Codes: `forbidden` where this page has no dialog
   * to show (page mode without `keyferry/elements`).
   */
  open(view: View, options?: { provider?: string }): Promise<void>;
  /** Shows it as part of this page, in `place`. Gives the way to take it out again. Frame mode only: `forbidden`. */
  mount(place: Node, view?: View): Promise<() => void>;
}

const BORDER = "1px solid color-mix(in srgb, CanvasText 20%, transparent)";

/** A dialog of the app's page around a frame of the vault's. */
export class FrameUi implements VaultUi {
  readonly where = "frame";
  readonly #origin: string;
  readonly #name: string;
  readonly #dialog = document.createElement("dialog");
  #frame: Embedded | undefined;
  #closed: (() => void) | undefined;

  constructor(origin: string, name: string) {
    this.#origin = origin;
    this.#name = name;
    this.#dialog.style.cssText =
      `box-sizing:border-box;width:min(38rem,calc(100vw - 1rem));max-width:none;max-height:calc(100dvh - 1rem);padding:0;border:${BORDER};border-radius:14px;overflow:hidden`;
    this.#dialog.setAttribute("aria-label", "Keyferry");
    this.#dialog.addEventListener("cancel", (event) => {
      // The frame decides: a recovery code that is on screen must not vanish by a stray key.
      event.preventDefault();
      this.#frame?.post({ t: "dismiss" });
    });
  }

  /** Loads the frame; gives the port over which the vault is used. */
  async connect(autoLockMinutes: number | undefined): Promise<MessagePort> {
    document.body.append(this.#dialog);
    try {
      const { embedded, port } = await Embedded.load(this.#dialog, this.#origin, this.#hello(null, this.#dialog, autoLockMinutes), (message) =>
        this.#receive(message),
      );
      this.#frame = embedded;
      if (port) return port;
      throw new VaultError("worker_failed", "The vault's frame gave no port.");
    } catch (thrown) {
      this.close();
      throw thrown;
    }
  }

  async open(view: View, { provider }: { provider?: string } = {}): Promise<void> {
    if (!this.#frame) throw new VaultError("closed", "This vault object was closed.");
    this.#closed?.();
    this.#frame.post({ t: "open", view, provider, appearance: appearanceAt(document.body) });
    if (!this.#dialog.open) this.#dialog.showModal();
    this.#frame.element.focus();
    return new Promise((resolve) => (this.#closed = resolve));
  }

  async mount(place: Node, view: View = "settings"): Promise<() => void> {
    const host = place instanceof Element ? place : place instanceof ShadowRoot ? place.host : document.body;
    const { embedded } = await Embedded.load(place, this.#origin, this.#hello(view, host, undefined), (message) => {
      if (message.t === "size") embedded.element.style.height = `${bounded(message.height)}px`;
    });
    const restyle = () => embedded.post({ t: "appearance", appearance: appearanceAt(host) });
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", restyle);
    // Where apps switch language and theme.
    const root = new MutationObserver(restyle);
    root.observe(document.documentElement, { attributes: true, attributeFilter: ["lang", "dir", "class", "style", "data-theme"] });
    return () => {
      dark.removeEventListener("change", restyle);
      root.disconnect();
      embedded.remove();
    };
  }

  /** Takes the frame, and with it the vault's connection, out of the page. */
  close(): void {
    this.#frame?.remove();
    this.#frame = undefined;
    this.#dialog.remove();
    this.#closed?.();
  }

  #hello(inline: View | null, at: Element, autoLockMinutes: number | undefined): Omit<Connect, "t" | "v"> {
    const appearance: Appearance = appearanceAt(at);
    return { name: this.#name, autoLockMinutes, appearance, inline };
  }

  #receive(message: ToApp): void {
    if (message.t === "size" && this.#frame) {
      this.#frame.element.style.height = `min(${bounded(message.height)}px, calc(100dvh - 1rem - 2px))`;
    } else if (message.t === "closed") {
      this.#dialog.close();
      this.#closed?.();
      this.#closed = undefined;
    }
  }
}

function bounded(height: number): number {
  return Math.min(Math.max(Math.ceil(Number(height) || 0), 96), 50_000);
}
