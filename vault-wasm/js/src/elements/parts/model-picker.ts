import { html } from "lit";
import { field } from "../base/fields.js";
import { Part } from "../base/part.js";
import { language } from "../strings/index.js";

/** A model as the relay lists it. */
interface Model {
  readonly id: string;
  readonly owned_by: string;
  /** US dollars per token, as decimal text. */
  readonly pricing?: { readonly prompt?: string; readonly completion?: string };
}

/** Dearest first is how nobody wants it; by name is how people look for one. */
const byName = (a: Model, b: Model) => a.id.localeCompare(b.id);

/**
 * A list of every model, saying for each who pays and what it costs. Works
 * with any port. Fires `change`; `value` is the chosen model's name, under
 * which the relay routes it.
 */
export class ModelPicker extends Part {
  static override properties = { relay: {}, value: {}, models: { state: true }, paid: { state: true } };

  /** The relay's base URL. */
  declare relay: string | undefined;
  declare value: string | undefined;
  declare models: readonly Model[] | null;
  /** Providers for which the relay has a key of its own. */
  declare paid: ReadonlySet<string>;
  #loaded: string | undefined;

  constructor() {
    super();
    this.models = null;
    this.paid = new Set();
  }

  protected override updated(): void {
    if (this.relay === undefined || this.#loaded === this.relay) return;
    this.#loaded = this.relay;
    void this.#load(this.relay.replace(/\/$/, ""));
  }

  async #load(relay: string): Promise<void> {
    await this.run(async () => {
      const [models, about] = await Promise.all(["/v1/models", "/.well-known/keyferry"].map((path) => read(relay + path)));
      this.models = (models as { data: Model[] }).data;
      const { providers } = about as { providers: { id: string; serverKey: boolean }[] };
      this.paid = new Set(providers.filter(({ serverKey }) => serverKey).map(({ id }) => id));
    });
  }

  protected override render() {
    const text = this.text.picker;
    const providers = this.vault?.providers() ?? [];
    const groups = providers
      .map((provider) => ({ provider, models: (this.models ?? []).filter(({ owned_by }) => owned_by === provider.id).sort(byName) }))
      .filter(({ models }) => models.length > 0);
    const hint = this.models === null ? (this.problem ? text.failed : text.loading) : this.#price();
    return field(
      { name: "model", label: text.model, hint },
      (id, note) => html`<select id=${id} name="model" aria-describedby=${note} data-testid="model-picker" @change=${this.#choose}>
        ${groups.map(
          ({ provider: { id, name, hasKey }, models }) => html`<optgroup label="${name} · ${this.#payer(id, hasKey)}">
            ${models.map((model) => html`<option value=${model.id} ?selected=${model.id === this.value}>${bare(model)} · ${this.#payer(id, hasKey)}</option>`)}
          </optgroup>`,
        )}
      </select>`,
    );
  }

  #payer(provider: string, hasKey: boolean): string {
    const text = this.text.picker;
    if (hasKey) return text.yours;
    return this.paid.has(provider) ? text.app : text.none;
  }

  #price(): string {
    const model = this.models?.find(({ id }) => id === this.value);
    const text = this.text.picker;
    if (!model) return "";
    const { prompt, completion } = model.pricing ?? {};
    const million = (usd: string) => (Number(usd) * 1e6).toLocaleString(language.tag, { style: "currency", currency: "USD" });
    return prompt !== undefined && completion !== undefined ? text.price(million(prompt), million(completion)) : text.unknownPrice;
  }

  readonly #choose = ({ currentTarget }: Event): void => {
    this.value = (currentTarget as HTMLSelectElement).value;
    this.dispatchEvent(new Event("change", { bubbles: true }));
  };
}

function bare({ id, owned_by }: Model): string {
  return id.startsWith(`${owned_by}/`) ? id.slice(owned_by.length + 1) : id;
}

async function read(url: string): Promise<unknown> {
  const response = await fetch(url, { credentials: "omit" });
  if (!response.ok) throw Object.assign(new Error(url), { code: "network" });
  return response.json();
}
