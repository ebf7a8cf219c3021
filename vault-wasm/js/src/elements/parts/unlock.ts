import { html, nothing } from "lit";
import { clear, identity, secretField, secretOf, valueOf } from "../base/fields.js";
import { Part } from "../base/part.js";

/** Deriving the key takes a tenth of a second: whoever waits this long should be told why. */
const SLOW_AFTER_MS = 1500;

/** Opens a locked vault with a password, a passkey or the recovery code. */
export class Unlock extends Part {
  static override properties = { byCode: { state: true }, slow: { state: true }, hasPasskeys: { state: true }, showCode: { attribute: false } };

  declare byCode: boolean;
  declare slow: boolean;
  declare hasPasskeys: boolean;
  /** Shows a new recovery code. */
  declare showCode: (code: string) => void;

  constructor() {
    super();
    this.byCode = false;
    this.slow = false;
    this.hasPasskeys = false;
    this.showCode = () => undefined;
  }

  protected override changed(): void {
    // Where passkeys cannot be had, there are none to offer.
    void this.vault?.passkeys.any().then((any) => (this.hasPasskeys = any), () => undefined);
  }

  protected override render() {
    if (this.problem?.code === "relay_changed") {
      return html`<keyferry-rebind
        exportparts="card,field,problem"
        .vault=${this.vault}
        .hasPasskeys=${this.hasPasskeys}
        .showCode=${this.showCode}
      ></keyferry-rebind>`;
    }
    const text = this.text.unlock;
    const hint = this.slow ? text.slow : this.byCode ? text.codeHint : this.text.passwordHint;
    const passkeys = this.hasPasskeys && typeof PublicKeyCredential === "function";
    return html`<section class="card" part="card" aria-labelledby="title">
      <h1 id="title">${text.title}</h1>
      <p class="lead">${text.lead}</p>
      <form class="stack" novalidate @submit=${this.#submit}>
        ${identity()}
        ${this.byCode
          ? secretField({
              name: "recoveryCode",
              label: text.code,
              hint,
              autocomplete: "off",
              error: this.errors["recoveryCode"],
              testId: "unlock-recovery-code",
            })
          : secretField({
              name: "password",
              label: text.password,
              hint,
              autocomplete: "current-password",
              error: this.errors["password"],
              testId: "unlock-password",
            })}
        ${this.problems()}
        <div class="row">
          <button class="button primary" data-testid="unlock-submit" aria-disabled=${this.busy}>${text.submit}</button>
          ${passkeys
            ? html`<button type="button" class="button" data-testid="unlock-passkey" @click=${this.#passkey}>${text.usePasskey}</button>`
            : nothing}
          <button type="button" class="button link" data-testid="unlock-swap" @click=${this.#swap}>
            ${this.byCode ? text.usePassword : text.useCode}
          </button>
        </div>
      </form>
    </section>`;
  }

  readonly #swap = ({ currentTarget }: MouseEvent): void => {
    const { form } = currentTarget as HTMLButtonElement;
    if (form) clear(form);
    this.byCode = !this.byCode;
    this.errors = {};
    this.problem = null;
    void this.updateComplete.then(() => this.renderRoot.querySelector<HTMLElement>("input:not(.quiet)")?.focus());
  };

  readonly #passkey = (): void => {
    void this.run(async () => void (await this.vault?.unlock({ passkey: true })));
  };

  readonly #submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const field = this.byCode ? "recoveryCode" : "password";
    if (valueOf(form, field).trim() === "") {
      return this.missing(field, this.byCode ? this.text.unlock.emptyCode : this.text.passwordMissing);
    }
    void this.run(async () => {
      // The vault answers slowly on purpose after wrong passwords.
      const timer = setTimeout(() => (this.slow = true), SLOW_AFTER_MS);
      try {
        const secret = secretOf(form, field);
        await this.vault?.unlock(this.byCode ? { recoveryCode: secret } : { password: secret });
        if (this.byCode) this.dispatchEvent(new Event("keyferry-by-code"));
        clear(form);
      } finally {
        clearTimeout(timer);
        this.slow = false;
      }
    }, [field]);
  };
}
