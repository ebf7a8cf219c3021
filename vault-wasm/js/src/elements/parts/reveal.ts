import { html } from "lit";
import { clear, identity, secretField, secretOf, valueOf } from "../base/fields.js";
import { Part } from "../base/part.js";

/** A key is in sight no longer than it takes to read or copy it. */
const SHOWN_MS = 30_000;

/** Shows a key to whoever has the password, for a moment. */
export class Reveal extends Part {
  static override properties = { keyId: { attribute: false }, shown: { state: true } };

  declare keyId: string;
  declare shown: string;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    super();
    this.shown = "";
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#hide();
  }

  protected override render() {
    const text = this.text.keys;
    if (this.shown) {
      return html`<div class="stack">
        <p class="label" id="label">${text.revealed}</p>
        <code role="group" aria-labelledby="label" data-testid="key-revealed">${this.shown}</code>
        <div class="row">
          <button type="button" class="button small" @click=${() => void navigator.clipboard.writeText(this.shown).then(() => this.say(this.text.recovery.copied))}>
            ${this.text.recovery.copy}
          </button>
          <button type="button" class="button small" data-testid="key-conceal" @click=${this.#hide}>${text.conceal}</button>
        </div>
        ${this.live()}
      </div>`;
    }
    return html`<form class="stack" novalidate @submit=${this.#submit}>
      ${identity()}
      ${secretField({
        name: "password",
        label: this.text.password,
        hint: text.revealHint,
        autocomplete: "current-password",
        error: this.errors["password"],
        testId: "reveal-password",
      })}
      ${this.problems()}
      <div class="row"><button class="button small" data-testid="reveal-submit" aria-disabled=${this.busy}>${text.reveal}</button></div>
    </form>`;
  }

  readonly #submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    if (valueOf(form, "password") === "") return this.missing("password", this.text.passwordMissing);
    void this.run(async () => {
      const key = await this.vault?.keys.reveal(this.keyId, secretOf(form, "password"));
      clear(form);
      if (!key) return;
      // Shown: from here on it is text of the document.
      this.shown = new TextDecoder().decode(key);
      key.fill(0);
      this.#timer = setTimeout(this.#hide, SHOWN_MS);
    }, ["password"]);
  };

  readonly #hide = (): void => {
    clearTimeout(this.#timer);
    this.shown = "";
    this.said = "";
  };
}
