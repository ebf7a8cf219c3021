import { html, nothing } from "lit";
import type { EnvImport } from "../../types.js";
import { clear, field, secretOf, valueOf } from "../base/fields.js";
import { Part } from "../base/part.js";

/** Takes many keys out of the lines of an `.env` file. */
export class EnvImporter extends Part {
  static override properties = { result: { state: true } };

  declare result: EnvImport | null;

  constructor() {
    super();
    this.result = null;
  }

  protected override render() {
    const text = this.text.add;
    const skipped = this.result?.skipped ?? [];
    return html`<form class="stack" novalidate @submit=${this.#submit}>
      ${field(
        { name: "text", label: text.envText, hint: text.envHint, error: this.errors["text"] },
        (id, note) => html`<textarea
          id=${id}
          name="text"
          rows="4"
          dir="ltr"
          autocomplete="off"
          autocapitalize="none"
          spellcheck="false"
          aria-describedby=${note}
          data-testid="env-text"
        ></textarea>`,
      )}
      ${this.problems()}
      <div class="row"><button class="button" data-testid="env-submit" aria-disabled=${this.busy}>${text.envSubmit}</button></div>
      ${this.live()}
      ${skipped.length === 0
        ? nothing
        : html`<ul class="muted">
            ${skipped.map(({ line, reason }) => html`<li>${text.envSkipped(line, text.envReasons[reason] ?? reason)}</li>`)}
          </ul>`}
    </form>`;
  }

  readonly #submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    if (valueOf(form, "text").trim() === "") return this.missing("text", this.text.add.envBlank);
    void this.run(async () => {
      const result = await this.vault?.keys.importEnv(secretOf(form, "text"));
      clear(form);
      this.result = result ?? null;
      if (result) this.say(this.text.add.envResult(result.added.length, result.skipped.length));
    }, ["text"]);
  };
}
