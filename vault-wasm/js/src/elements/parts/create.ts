import { html } from "lit";
import { clear, identity, secretOf } from "../base/fields.js";
import { Part } from "../base/part.js";
import { judgeNewPassword, newPassword } from "./new-password.js";

/** First visit: chooses the password of a new vault. */
export class Create extends Part {
  static override properties = { typed: { state: true } };

  /** For the meter only; emptied as soon as the vault has the password. */
  declare typed: string;
  /** Makes the vault and shows its recovery code. */
  create: (password: string) => Promise<void> = async () => undefined;

  constructor() {
    super();
    this.typed = "";
  }

  protected override render() {
    const text = this.text.create;
    return html`<section class="card" part="card" aria-labelledby="title">
      <h1 id="title">${text.title}</h1>
      <p class="lead">${text.lead}</p>
      <form class="stack" novalidate @submit=${this.#submit}>
        ${identity()}
        ${newPassword({
          field: { name: "password", label: text.password, hint: text.hint, testId: "create-password" },
          errors: this.errors,
          typed: this.typed,
          onInput: (typed) => (this.typed = typed),
        })}
        ${this.problems()}
        <div class="row">
          <button class="button primary" data-testid="create-submit" aria-disabled=${this.busy}>${text.submit}</button>
        </div>
      </form>
    </section>`;
  }

  readonly #submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const wrong = judgeNewPassword(form, "password");
    if (wrong) return this.missing(wrong.field, wrong.words);
    void this.run(async () => {
      await this.create(secretOf(form, "password"));
      clear(form);
      this.typed = "";
    }, ["password"]);
  };
}
