import { html, nothing } from "lit";
import { clear, field, secretField, secretOf, textField, valueOf } from "../base/fields.js";
import { judgeKey, keyExample } from "../base/key-shapes.js";
import { Part } from "../base/part.js";

/** Adds one key. */
export class AddKey extends Part {
  static override properties = { provider: { attribute: false }, advice: { state: true } };

  /** Chosen in the list; set it to ask for a key of one provider. */
  declare provider: string | undefined;
  /** What the typed key looks like; the key itself stays in its field. */
  declare advice: ReturnType<typeof judgeKey> | null;

  constructor() {
    super();
    this.advice = null;
  }

  protected override render() {
    const text = this.text.add;
    const providers = this.vault?.providers() ?? [];
    const chosen = providers.find(({ id }) => id === this.provider) ?? providers[0];
    // Providers that an operator added have no page.
    const page = chosen?.keyPage.startsWith("https://")
      ? html`<a href=${chosen.keyPage} target="_blank" rel="noopener noreferrer">${text.get(chosen.name)}</a>`
      : nothing;
    return this.section(
      text.title,
      html`<form class="stack" novalidate aria-label=${text.title} @submit=${this.#submit}>
        ${field(
          { name: "provider", label: text.provider, hint: page, error: this.errors["provider"] },
          (id, note) => html`<select id=${id} name="provider" aria-describedby=${note} data-testid="key-provider" @change=${this.#choose}>
            ${providers.map(({ id, name }) => html`<option value=${id} ?selected=${id === chosen?.id}>${name}</option>`)}
          </select>`,
        )}
        ${chosen?.id === "openrouter" ? html`<keyferry-connect exportparts="field,problem" .vault=${this.vault}></keyferry-connect>` : nothing}
        ${secretField({
          name: "key",
          label: text.key,
          hint: this.#hint(chosen?.id ?? ""),
          autocomplete: "off",
          error: this.errors["key"],
          testId: "key-value",
          input: this.#judge,
        })}
        ${textField({ name: "name", label: text.name, hint: text.nameHint, error: this.errors["name"], testId: "key-name" })}
        ${this.problems()}
        <div class="row"><button class="button primary" data-testid="key-submit" aria-disabled=${this.busy}>${text.submit}</button></div>
        ${this.live()}
      </form>
      <details>
        <summary>${text.env}</summary>
        <keyferry-env-import exportparts="field,problem" .vault=${this.vault}></keyferry-env-import>
      </details>`,
    );
  }

  #hint(provider: string): string {
    const text = this.text.add;
    const example = keyExample(provider);
    if (this.advice === null) return example ? text.looks(example) : text.paste;
    if (this.advice === "fits") return example ? text.fits(this.providerName(provider)) : text.paste;
    if (this.advice === "unknown") return text.looksUnknown(this.providerName(provider));
    return text.looksLike(this.providerName(this.advice.provider));
  }

  readonly #judge = ({ currentTarget }: InputEvent): void => {
    const input = currentTarget as HTMLInputElement;
    const { form, value } = input;
    this.advice = form && value.trim() ? judgeKey(valueOf(form, "provider"), value) : null;
  };

  readonly #choose = ({ currentTarget }: Event): void => {
    const { form, value } = currentTarget as HTMLSelectElement;
    this.provider = value;
    const key = form ? valueOf(form, "key") : "";
    this.advice = key.trim() ? judgeKey(value, key) : null;
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
      // The provider stays chosen.
      const chosen = this.provider;
      clear(form);
      this.provider = chosen;
      this.advice = null;
      const called = this.providerName(provider);
      this.say(added?.knownShape === false ? text.unusual(called) : text.added(called));
    }, ["provider", "key", "name"]);
  };
}
