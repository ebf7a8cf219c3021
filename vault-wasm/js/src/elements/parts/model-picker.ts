import { html, nothing, type PropertyValues } from "lit";
import { groupModels, type ModelGroup } from "../base/model-groups.js";
import { offerOf, type Model, type Offer } from "../base/models.js";
import { Part } from "../base/part.js";
import { payerOf, type Payer } from "../base/payer.js";
import { pickerStyles } from "../base/picker-styles.js";
import { placeBeside } from "../base/place-beside.js";
import { styles } from "../base/styles.js";
import { language } from "../strings/index.js";

/** What Page Up and Page Down move by. */
const PAGE = 8;

/**
 * Chooses a model, saying for each whose key pays and what it costs. A button
 * that opens a searchable list in a popover. Works with any port. Fires
 * `change`; `value` is the chosen model's name, under which the relay routes it.
 */
export class ModelPicker extends Part {
  static override styles = [styles, pickerStyles];
  static override properties = {
    relay: {},
    value: {},
    label: {},
    other: { type: Boolean },
    filter: { attribute: false },
    offer: { state: true },
    query: { state: true },
    usable: { state: true },
    active: { state: true },
    shown: { state: true },
  };

  /** The relay's base URL; that of the vault without it. */
  declare relay: string | undefined;
  declare value: string | undefined;
  /** In place of “Model”. */
  declare label: string | undefined;
  /** Whether a name that is not in the list may be chosen. */
  declare other: boolean;
  /** Which models to offer; all of them without it. */
  declare filter: ((model: Model) => boolean) | undefined;
  declare offer: Offer | null;
  declare query: string;
  /** Only what somebody pays for. */
  declare usable: boolean;
  /** The option that Enter chooses. */
  declare active: number;
  declare shown: boolean;
  #loaded: string | undefined;

  constructor() {
    super();
    this.other = false;
    this.offer = null;
    this.query = "";
    this.usable = false;
    this.active = 0;
    this.shown = false;
  }

  /** The chosen model, where the relay lists it. */
  get model(): Model | undefined {
    return this.offer?.models.find(({ id }) => id === this.value);
  }

  /** Opens the list. */
  override click(): void {
    this.#trigger?.click();
  }

  override focus(options?: FocusOptions): void {
    this.#trigger?.focus(options);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#follow(false);
  }

  protected override willUpdate(changed: PropertyValues): void {
    super.willUpdate(changed);
    const relay = this.relay ?? this.vault?.relay;
    if (relay === undefined || this.#loaded === relay) return;
    this.#loaded = relay;
    void this.#load(relay);
  }

  async #load(relay: string): Promise<void> {
    await this.run(async () => {
      this.offer = await offerOf(relay);
    });
  }

  protected override render() {
    const text = this.text.picker;
    const { model } = this;
    return html`<div class="field" part="field">
      <span class="label" id="label">${this.label ?? text.model}</span>
      <button
        type="button"
        class="trigger"
        popovertarget="panel"
        aria-haspopup="dialog"
        aria-expanded=${this.shown}
        aria-labelledby="label chosen"
        aria-describedby="note"
        data-testid="model-picker"
      >
        <span class="name" id="chosen"><bdi>${model?.name ?? this.value ?? text.choose}</bdi></span>
      </button>
      <p class="note" id="note">${this.#note(model)}</p>
      <div id="panel" popover role="dialog" aria-label=${this.label ?? text.model} @beforetoggle=${this.#before} @toggle=${this.#toggled}>
        ${this.shown ? this.#panel() : nothing}
      </div>
    </div>`;
  }

  #note(model: Model | undefined) {
    const text = this.text.picker;
    if (!this.offer) return this.problem ? text.failed : text.loading;
    if (!model) return this.value ? text.unlisted : "";
    return `${text.payers[this.#payer(model.provider)]} · ${this.#price(model, text.price)}`;
  }

  #panel() {
    const text = this.text.picker;
    const groups = this.#groups();
    const options = this.#options(groups);
    const active = options[this.active];
    const count = options.length - (this.#free ? 1 : 0);
    let at = 0; // counts on from group to group
    return html`<div class="head">
        <div class="control">
          <input
            type="search"
            role="combobox"
            autocomplete="off"
            autocapitalize="none"
            spellcheck="false"
            aria-label=${text.search}
            aria-expanded="true"
            aria-controls="list"
            aria-autocomplete="list"
            aria-activedescendant=${active === undefined ? nothing : `option-${this.active}`}
            placeholder=${text.search}
            .value=${this.query}
            data-testid="model-search"
            @input=${this.#search}
            @keydown=${this.#key}
          />
        </div>
        <label class="tick"
          ><input type="checkbox" .checked=${this.usable} data-testid="model-usable" @change=${this.#onlyUsable} /><span>${text.usable}</span></label
        >
        <div class="columns"><span role="status">${this.offer ? text.count(count) : ""}</span><span>${text.perMillion}</span></div>
      </div>
      <div class="list" id="list" role="listbox" aria-label=${this.label ?? text.model} tabindex="-1">
        ${groups.map(
          ({ provider, name, payer, models }) => html`<div role="group" aria-labelledby="group-${provider}">
            <div class="provider" id="group-${provider}" role="presentation">${name}</div>
            ${models.map((model) => this.#option(at++, model.id, html`<span class="name"><bdi>${model.name}</bdi></span>
              <span class="facts"><span>${this.#price(model, text.short)}</span><span class="payer" data-payer=${payer}>${text.payers[payer]}</span></span>`))}
          </div>`,
        )}
        ${this.#free ? this.#option(at++, this.#typed, html`<span class="name">${text.typed(this.#typed)}</span>`) : nothing}
      </div>
      ${this.#empty(options.length)}`;
  }

  #empty(options: number) {
    const text = this.text.picker;
    if (this.problem) {
      return html`<div class="empty stack" role="alert">
        <p>${text.failed}</p>
        <div class="row"><button type="button" class="button small" @click=${this.#again}>${text.again}</button></div>
      </div>`;
    }
    if (!this.offer) return html`<p class="empty" role="status">${text.loading}</p>`;
    return options === 0 ? html`<p class="empty">${text.noMatch}</p>` : nothing;
  }

  #option(at: number, id: string, content: unknown) {
    return html`<div
      class="option ${at === this.active ? "active" : ""}"
      role="option"
      id="option-${at}"
      aria-selected=${id === this.value}
      data-testid="model-option"
      data-model=${id}
      @click=${() => this.#choose(id)}
    >
      ${content}
    </div>`;
  }

  #groups(): readonly ModelGroup[] {
    const { vault, offer, filter, query, usable } = this;
    const models = offer?.models ?? [];
    return groupModels(filter ? models.filter((model) => filter(model)) : models, vault?.providers() ?? [], (provider) => this.#payer(provider), query, usable);
  }

  /** Names in the order in which they are shown. */
  #options(groups: readonly ModelGroup[]): readonly string[] {
    const listed = groups.flatMap(({ models }) => models.map(({ id }) => id));
    return this.#free ? [...listed, this.#typed] : listed;
  }

  get #typed(): string {
    return this.query.trim();
  }

  /** Whether what is typed is offered as it is. */
  get #free(): boolean {
    const typed = this.#typed;
    return this.other && typed !== "" && !this.offer?.models.some(({ id, name }) => id === typed || name === typed);
  }

  #payer(provider: string): Payer {
    return payerOf(provider, this.vault?.state ?? "locked", this.vault?.providers() ?? [], this.offer?.paid ?? new Set());
  }

  #price({ input, output }: Model, words: (input: string, output: string) => string): string {
    if (input === null || output === null) return this.text.picker.unknownPrice;
    const money = (usd: number) =>
      usd.toLocaleString(language.tag, { style: "currency", currency: "USD", minimumFractionDigits: 2, maximumFractionDigits: usd < 0.1 ? 4 : 2 });
    return words(money(input), money(output));
  }

  get #trigger(): HTMLButtonElement | null {
    return this.renderRoot.querySelector(".trigger");
  }

  get #popover(): HTMLElement | null {
    return this.renderRoot.querySelector("#panel");
  }

  readonly #before = ({ newState }: ToggleEvent): void => {
    if (newState !== "open") return;
    this.query = "";
    this.shown = true;
    this.active = Math.max(0, this.#options(this.#groups()).indexOf(this.value ?? ""));
  };

  readonly #toggled = ({ newState }: ToggleEvent): void => {
    const open = newState === "open";
    this.shown = open;
    this.#follow(open);
    if (!open) return;
    this.#place();
    void this.updateComplete.then(() => {
      this.renderRoot.querySelector("input")?.focus();
      this.#reveal("center");
    });
  };

  #follow(open: boolean): void {
    const listen = open ? addEventListener : removeEventListener;
    listen("resize", this.#place);
    listen("scroll", this.#place, true);
  }

  readonly #place = (): void => {
    const panel = this.#popover;
    const trigger = this.#trigger;
    if (panel && trigger) placeBeside(panel, trigger);
  };

  readonly #search = ({ currentTarget }: InputEvent): void => {
    this.query = (currentTarget as HTMLInputElement).value;
    this.active = 0;
  };

  readonly #onlyUsable = ({ currentTarget }: Event): void => {
    this.usable = (currentTarget as HTMLInputElement).checked;
    this.active = 0;
  };

  readonly #again = (): void => {
    const relay = this.relay ?? this.vault?.relay;
    if (relay !== undefined) void this.#load(relay);
  };

  readonly #key = (event: KeyboardEvent): void => {
    const options = this.#options(this.#groups());
    const last = options.length - 1;
    const to = { ArrowDown: this.active + 1, ArrowUp: this.active - 1, PageDown: this.active + PAGE, PageUp: this.active - PAGE }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      this.active = Math.max(0, Math.min(last, to));
      void this.updateComplete.then(() => this.#reveal("nearest"));
      return;
    }
    if (event.key === "Escape") {
      // Chromium would only empty the search field, and close at the second time.
      event.preventDefault();
      return this.#close();
    }
    const chosen = options[this.active];
    // Enter that confirms an input method's suggestion is not meant for us.
    if (event.key !== "Enter" || event.isComposing) return;
    event.preventDefault();
    if (chosen !== undefined) this.#choose(chosen);
  };

  #reveal(block: ScrollLogicalPosition): void {
    this.renderRoot.querySelector(".active")?.scrollIntoView({ block });
  }

  #close(): void {
    this.#popover?.hidePopover();
    this.#trigger?.focus();
  }

  #choose(id: string): void {
    this.value = id;
    this.#close();
    this.dispatchEvent(new Event("change", { bubbles: true }));
  }
}
