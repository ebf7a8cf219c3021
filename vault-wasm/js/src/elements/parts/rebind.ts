import { html } from "lit";
import { clear, identity, secretOf, valueOf } from "../base/fields.js";
import { Part } from "../base/part.js";
import { keepPasskeys, keeps } from "./passkeys.js";

/** A vault that belongs to another relay: says what that means, and binds it to this one for whoever has the password. */
export class Rebind extends Part {
  static override properties = { hasPasskeys: { attribute: false }, unsure: { state: true }, showCode: { attribute: false } };

  declare hasPasskeys: boolean;
  /** The person has not said that the new relay is meant. */
  declare unsure: boolean;
  /** Shows a new recovery code. */
  declare showCode: (code: string) => void;

  constructor() {
    super();
    this.hasPasskeys = false;
    this.unsure = false;
    this.showCode = () => undefined;
  }

  protected override firstUpdated(): void {
    this.renderRoot.querySelector<HTMLElement>("h1")?.focus();
  }

  protected override render() {
    const text = this.text.rebind;
    const relay = this.vault ? new URL(this.vault.relay) : undefined;
    return html`<section class="card" part="card" aria-labelledby="title" data-testid="rebind">
      <h1 id="title" tabindex="-1">${this.text.problems.relay_changed.title}</h1>
      <p class="lead">${text.lead}</p>
      <p>${text.here} <code>${relay ? relay.host + relay.pathname.replace(/\/$/, "") : ""}</code></p>
      <p class="notice">${text.warning}</p>
      <details>
        <summary data-testid="rebind-open">${text.open}</summary>
        <form class="stack" novalidate @submit=${this.#submit}>
          <p class="muted">${text.hint}</p>
          ${identity()}
          ${this.passwordField("rebind-password")}
          ${keepPasskeys(this.text.passkeys.keep, this.hasPasskeys)}
          <label class="tick">
            <input type="checkbox" name="sure" data-testid="rebind-sure" aria-describedby="sure-note" aria-invalid=${this.unsure ? "true" : "false"} />
            <span>${text.sure}</span>
          </label>
          <p id="sure-note" class="note error" role="alert">${this.unsure ? text.sureFirst : ""}</p>
          ${this.problems()}
          <div class="row"><button class="button" data-testid="rebind-submit" aria-disabled=${this.busy}>${text.submit}</button></div>
        </form>
      </details>
    </section>`;
  }

  readonly #submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const { vault } = this;
    const form = event.currentTarget as HTMLFormElement;
    if (!vault) return;
    if (valueOf(form, "password") === "") return this.missing("password", this.text.passwordMissing);
    const sure = form.elements.namedItem("sure") as HTMLInputElement;
    this.unsure = !sure.checked;
    if (this.unsure) return sure.focus();
    void this.run(async () => {
      const { recoveryCode } = await vault.rebind(vault.relay, secretOf(form, "password"), { passkeys: keeps(form) });
      clear(form);
      this.showCode(recoveryCode);
    }, ["password"]).then(() => {
      if (this.problem?.code === "corrupt") this.dispatchEvent(new Event("keyferry-corrupt"));
    });
  };
}
