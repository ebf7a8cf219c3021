import { html, nothing } from "lit";
import type { PasskeyInfo } from "../../types.js";
import { clear, identity, secretOf, textField, valueOf } from "../base/fields.js";
import { Part } from "../base/part.js";

/** The passkeys that open this vault. */
export class PasskeyList extends Part {
  static override properties = { passkeys: { state: true }, showCode: { attribute: false } };

  declare passkeys: readonly PasskeyInfo[] | null;
  /** Shows a new recovery code. */
  declare showCode: (code: string) => void;

  constructor() {
    super();
    this.passkeys = null;
    this.showCode = () => undefined;
  }

  protected override changed(): void {
    void this.load((vault) => vault.passkeys.list()).then((passkeys) => {
      if (passkeys) this.passkeys = passkeys;
    });
  }

  protected override render() {
    const text = this.text.passkeys;
    const here = typeof PublicKeyCredential === "function";
    return this.section(
      text.title,
      html`<p class="lead">${text.lead}</p>
        ${this.passkeys?.length === 0 ? html`<p class="muted">${text.none}</p>` : nothing}
        <ul class="stack" aria-label=${text.title} aria-busy=${this.passkeys === null}>
          ${this.passkeys?.map(
            ({ id, name, createdAt }) => html`<li data-testid="passkey-row">
              <details>
                <summary>${name} <span class="muted">${text.since(this.date(createdAt))}</span></summary>
                <form class="stack" novalidate aria-label=${text.removeKey(name)} @submit=${(event: SubmitEvent) => this.#remove(event, id)}>
                  <p class="muted">${text.removeHint}</p>
                  ${identity()}
                  ${this.passwordField("passkey-remove-password", `password-${id}`)}
                  ${keepPasskeys(this.text.passkeys.keep, (this.passkeys?.length ?? 0) > 1)}
                  <div class="row">
                    <button class="button small danger" data-testid="passkey-remove" aria-disabled=${this.busy}>${text.remove}</button>
                  </div>
                </form>
              </details>
            </li>`,
          )}
        </ul>
        ${this.problems()}
        ${here
          ? html`<form class="stack" novalidate aria-label=${text.add} @submit=${this.#add}>
              ${textField({ name: "name", label: text.label, hint: text.labelHint, error: this.errors["name"], testId: "passkey-name" })}
              ${identity()}
              ${this.passwordField("passkey-password")}
              <div class="row"><button class="button" data-testid="passkey-add" aria-disabled=${this.busy}>${text.add}</button></div>
              ${this.live()}
            </form>`
          : html`<p class="notice">${text.unsupported}</p>`}`,
    );
  }

  readonly #add = (event: SubmitEvent): void => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    if (valueOf(form, "password") === "") return this.missing("password", this.text.passwordMissing);
    void this.run(async () => {
      await this.vault?.passkeys.add(secretOf(form, "password"), valueOf(form, "name").trim() || this.text.passkeys.fresh);
      clear(form);
      this.changed();
      this.say(this.text.passkeys.added);
    }, ["password", "name"]);
  };

  #remove(event: SubmitEvent, id: string): void {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const field = `password-${id}`;
    if (valueOf(form, field) === "") return this.missing(field, this.text.passwordMissing);
    void this.run(async () => {
      const removed = await this.vault?.passkeys.remove(id, secretOf(form, field), { passkeys: keeps(form) });
      clear(form);
      this.changed();
      if (removed) this.showCode(removed.recoveryCode);
    });
  }
}

/** Asks whether passkeys should go over to the new vault key, where there are any. */
export function keepPasskeys(words: string, any: boolean) {
  return any ? html`<label class="tick"><input type="checkbox" name="keep" /><span>${words}</span></label>` : nothing;
}

export function keeps(form: HTMLFormElement): "keep" | "drop" {
  const box = form.elements.namedItem("keep");
  return box instanceof HTMLInputElement && box.checked ? "keep" : "drop";
}
