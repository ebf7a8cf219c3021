import { html, nothing } from "lit";
import { clear, field, secretField, secretOf, textField, valueOf } from "../base/fields.js";
import { Part } from "../base/part.js";

/** How keys of a provider begin. Shapes change without notice: this is shown, never enforced. */
const EXAMPLES: { readonly [provider: string]: string } = {
  openai: "sk-proj-…",
  anthropic: "sk-ant-api03-…",
  google: "AIza…",
  openrouter: "sk-or-v1-…",
  meta: "LLM|…",
  groq: "gsk_…",
  xai: "xai-…",
  deepseek: "sk-…",
};

/** Adds one key. */
export class AddKey extends Part {
  static override properties = { provider: { attribute: false } };

  /** Chosen in the list; set it to ask for a key of one provider. */
  declare provider: string | undefined;

  protected override render() {
    const text = this.text.add;
    const providers = this.vault?.providers() ?? [];
    const chosen = providers.find(({ id }) => id === this.provider) ?? providers[0];
    const example = EXAMPLES[chosen?.id ?? ""];
    // Providers that an operator added have no page.
    const page = chosen?.keyPage.startsWith("https://")
      ? html`<a href=${chosen.keyPage} target="_blank" rel="noopener noreferrer">${text.get(chosen.name)}</a>`
      : nothing;
    return html`<section class="card" part="card" aria-labelledby="add-title">
      <h2 id="add-title">${text.title}</h2>
      <form class="stack" novalidate aria-labelledby="add-title" @submit=${this.#submit}>
        ${field(
          { name: "provider", label: text.provider, hint: page, error: this.errors["provider"] },
          (id, note) => html`<select id=${id} name="provider" aria-describedby=${note} data-testid="key-provider" @change=${this.#choose}>
            ${providers.map(({ id, name }) => html`<option value=${id} ?selected=${id === chosen?.id}>${name}</option>`)}
          </select>`,
        )}
        ${secretField({
          name: "key",
          label: text.key,
          hint: example ? text.looks(example) : text.paste,
          autocomplete: "off",
          error: this.errors["key"],
          testId: "key-value",
        })}
        ${textField({ name: "name", label: text.name, hint: text.nameHint, error: this.errors["name"], testId: "key-name" })}
        ${this.problems()}
        <div class="row"><button class="button primary" data-testid="key-submit" aria-disabled=${this.busy}>${text.submit}</button></div>
        ${this.live()}
      </form>
    </section>`;
  }

  readonly #choose = ({ currentTarget }: Event): void => {
    this.provider = (currentTarget as HTMLSelectElement).value;
  };

  readonly #submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const text = this.text.add;
    if (valueOf(form, "key").trim() === "") return this.missing("key", text.blank);
    const provider = valueOf(form, "provider");
    const name = valueOf(form, "name").trim();
    void this.run(async () => {
      const added = await this.vault?.keys.add({ provider, key: secretOf(form, "key"), ...(name && { name }) });
      clear(form);
      const called = this.vault?.providers().find(({ id }) => id === provider)?.name ?? provider;
      this.say(added?.knownShape === false ? text.unusual(called) : text.added(called));
    }, ["provider", "key", "name"]);
  };
}
