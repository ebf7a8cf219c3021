import { html, nothing } from "lit";
import type { Unlock as Way } from "../../types.js";
import { clear, identity, secretField, secretOf, valueOf } from "../base/fields.js";
import { Part } from "../base/part.js";

/** Deriving the key takes a tenth of a second: whoever waits this long should be told why. */
const SLOW_AFTER_MS = 1500;

/** Opens a locked vault with a password, a passkey or the recovery code; or repairs one that is damaged, for whoever has one of these. */
export class Unlock extends Part {
  static override properties = {
    byCode: { state: true },
    slow: { state: true },
    hasPasskeys: { state: true },
    damaged: { state: true },
    showCode: { attribute: false },
  };

  declare byCode: boolean;
  declare slow: boolean;
  declare hasPasskeys: boolean;
  /** The stored vault turned out to be damaged. */
  declare damaged: boolean;
  /** Shows a new recovery code. */
  declare showCode: (code: string) => void;
  /** Repairs the vault and shows what became of it. */
  repair: (how: Way, drop: boolean) => Promise<void> = async () => undefined;

  constructor() {
    super();
    this.byCode = false;
    this.slow = false;
    this.hasPasskeys = false;
    this.damaged = false;
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
        @keyferry-corrupt=${this.#toRepair}
      ></keyferry-rebind>`;
    }
    const { repair, problems, unlock: text } = this.text;
    const hint = this.slow ? text.slow : this.byCode ? text.codeHint : this.text.passwordHint;
    const passkeys = this.hasPasskeys && typeof PublicKeyCredential === "function";
    return html`<section class="card" part="card" aria-labelledby="title">
      <h1 id="title" tabindex="-1">${this.damaged ? problems.corrupt.title : text.title}</h1>
      <p class="lead">${this.damaged ? repair.lead : text.lead}</p>
      ${this.damaged ? html`<p class="notice">${repair.warning}</p>` : nothing}
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
        ${this.damaged
          ? html`<label class="tick"><input type="checkbox" name="drop" data-testid="repair-drop" /><span>${repair.drop}</span></label>`
          : nothing}
        ${this.problems()}
        <div class="row">
          <button class="button primary" data-testid=${this.damaged ? "repair-submit" : "unlock-submit"} aria-disabled=${this.busy}>
            ${this.damaged ? repair.submit : text.submit}
          </button>
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

  readonly #passkey = ({ currentTarget }: MouseEvent): void => {
    const { form } = currentTarget as HTMLButtonElement;
    if (form) void this.#open(form, () => ({ passkey: true }), []);
  };

  /** Unlocks with what the form gives, or repairs. */
  async #open(form: HTMLFormElement, how: () => Way, fields: readonly string[]): Promise<void> {
    const { damaged, byCode } = this;
    await this.run(async () => {
      // The vault answers slowly on purpose after wrong passwords.
      const timer = setTimeout(() => (this.slow = true), SLOW_AFTER_MS);
      try {
        const drop = form.elements.namedItem("drop");
        if (damaged) await this.repair(how(), drop instanceof HTMLInputElement && drop.checked);
        else await this.vault?.unlock(how());
        if (byCode && fields.length > 0) this.dispatchEvent(new Event("keyferry-by-code"));
        clear(form);
      } finally {
        clearTimeout(timer);
        this.slow = false;
      }
    }, fields);
    if (!damaged && this.problem?.code === "corrupt") {
      clear(form);
      this.#toRepair();
    }
  }

  readonly #toRepair = (): void => {
    this.damaged = true;
    this.problem = null;
    void this.updateComplete.then(() => this.renderRoot.querySelector("h1")?.focus());
  };

  readonly #submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const field = this.byCode ? "recoveryCode" : "password";
    if (valueOf(form, field).trim() === "") {
      return this.missing(field, this.byCode ? this.text.unlock.emptyCode : this.text.passwordMissing);
    }
    void this.#open(form, () => (this.byCode ? { recoveryCode: secretOf(form, field) } : { password: secretOf(form, field) }), [field]);
  };
}
