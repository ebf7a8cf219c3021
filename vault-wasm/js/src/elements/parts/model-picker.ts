import { css, html, nothing, type PropertyValues } from "lit";
import { offerOf, type Model, type Offer } from "../base/models.js";
import { Part } from "../base/part.js";
import { PAYER_ORDER, payerOf, type Payer } from "../base/payer.js";
import { styles } from "../base/styles.js";
import { language } from "../strings/index.js";

/** What Page Up and Page Down move by. */
const PAGE = 8;
/** From the panel's edge to the window's, in pixels. */
const MARGIN = 8;

interface Group {
  readonly provider: string;
  readonly name: string;
  readonly payer: Payer;
  readonly models: readonly Model[];
}

/**
 * Chooses a model, saying for each whose key pays and what it costs. A button
 * that opens a searchable list in a popover. Works with any port. Fires
 * `change`; `value` is the chosen model's name, under which the relay routes it.
 */
export class ModelPicker extends Part {
  static override styles = [
    styles,
    css`
      .trigger {
        display: flex;
        align-items: center;
        justify-content: space-between;
        gap: 0.75rem;
        width: 100%;
        min-height: 2.75rem;
        padding: 0.5rem 0.75rem;
        border: 1px solid var(--line-strong);
        border-radius: var(--radius);
        background: var(--field);
        text-align: start;
        cursor: pointer;
      }
      .trigger .name {
        min-width: 0;
        flex: 1;
        overflow: hidden;
        text-overflow: ellipsis;
        white-space: nowrap;
      }
      /* As the selects beside it have it. */
      .trigger::after {
        content: "";
        flex: none;
        border: 0.32rem solid transparent;
        border-block: 0.32rem solid currentcolor;
        border-block-end-width: 0;
        margin-inline-end: 0.0625rem;
      }
      [popover] {
        position: fixed;
        inset: auto;
        margin: 0;
        padding: 0;
        border: 1px solid var(--line-strong);
        border-radius: calc(var(--radius) * 1.2);
        background: var(--card);
        color: var(--text);
        box-shadow: 0 12px 40px rgb(0 0 0 / 25%);
        overflow: hidden;
      }
      [popover]:popover-open {
        display: flex;
        flex-direction: column;
      }
      .head {
        display: grid;
        gap: 0.5rem;
        padding: 0.75rem;
        border-block-end: 1px solid var(--line);
      }
      .head .tick {
        align-items: center;
        font-size: 0.9375rem;
        font-weight: 400;
      }
      .head .tick input {
        margin: 0;
      }
      .columns {
        display: flex;
        justify-content: space-between;
        gap: 1rem;
        font-size: 0.8125rem;
        color: var(--muted);
      }
      .list {
        flex: 1;
        min-height: 0;
        padding-block-end: 0.5rem;
        overflow-y: auto;
        overscroll-behavior: contain;
        scroll-padding-block-start: 2rem;
      }
      .provider {
        position: sticky;
        inset-block-start: 0;
        padding: 0.5rem 0.75rem 0.25rem;
        background: var(--card);
        font-size: 0.8125rem;
        font-weight: 650;
        color: var(--muted);
      }
      .option {
        display: grid;
        grid-template-columns: minmax(0, 1fr) auto;
        align-items: center;
        gap: 0 0.75rem;
        min-height: 2.5rem;
        margin-inline: 0.375rem;
        padding: 0.25rem 0.5rem;
        border-radius: calc(var(--radius) * 0.7);
        cursor: pointer;
        scroll-margin-block: 0.5rem;
      }
      .option .name {
        overflow-wrap: anywhere;
      }
      .option[aria-selected="true"] .name {
        font-weight: 650;
      }
      .option[aria-selected="true"] .name::after {
        content: " ✓";
        color: var(--accent);
      }
      .option:hover {
        background: var(--soft);
      }
      .option.active {
        outline: 2px solid var(--focus);
        outline-offset: -2px;
        background: var(--soft);
      }
      .facts {
        display: flex;
        align-items: center;
        justify-content: flex-end;
        gap: 0.625rem;
        font-size: 0.8125rem;
        font-variant-numeric: tabular-nums;
        color: var(--muted);
        white-space: nowrap;
      }
      .payer {
        padding: 0.0625rem 0.5rem;
        border: 1px solid var(--line);
        border-radius: 1rem;
        font-size: 0.75rem;
        font-weight: 600;
      }
      .payer[data-payer="own"],
      .payer[data-payer="openrouter"] {
        border-color: var(--good);
        color: var(--good);
      }
      .payer[data-payer="app"] {
        border-color: var(--focus);
        color: var(--focus);
      }
      .empty {
        padding: 1rem 0.75rem;
        color: var(--muted);
      }
      @media (max-width: 30rem) {
        .option {
          grid-template-columns: minmax(0, 1fr);
          padding-block: 0.375rem;
        }
        .facts {
          justify-content: flex-start;
        }
      }
    `,
  ];
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

  #groups(): readonly Group[] {
    const { vault, offer } = this;
    const words = this.query.trim().toLowerCase().split(/\s+/);
    const models = (offer?.models ?? []).filter((model) => !this.filter || this.filter(model));
    return (vault?.providers() ?? [])
      .map(({ id, name }) => ({
        provider: id,
        name,
        payer: this.#payer(id),
        models: models.filter(({ provider, name: called }) => provider === id && words.every((word) => `${id} ${name} ${called}`.toLowerCase().includes(word))).sort(byName),
      }))
      .filter(({ payer, models: found }) => found.length > 0 && !(this.usable && (payer === "none" || payer === "locked")))
      .sort((a, b) => PAYER_ORDER.indexOf(a.payer) - PAYER_ORDER.indexOf(b.payer));
  }

  /** Names in the order in which they are shown. */
  #options(groups: readonly Group[]): readonly string[] {
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

  /** Beside the button, where there is more room; browsers differ too much in anchoring. */
  readonly #place = (): void => {
    const panel = this.#popover;
    const at = this.#trigger?.getBoundingClientRect();
    if (!panel || !at) return;
    const { clientWidth, clientHeight } = document.documentElement;
    // Space kept for a scroll bar counts as the window's but shows nothing.
    const room = Math.min(clientWidth, document.documentElement.getBoundingClientRect().width);
    const below = clientHeight - at.bottom - 2 * MARGIN;
    const above = at.top - 2 * MARGIN;
    const under = below >= Math.min(320, above);
    const width = Math.min(Math.max(at.width, 448), room - 2 * MARGIN);
    const start = getComputedStyle(this).direction === "rtl" ? at.right - width : at.left;
    panel.style.width = `${width}px`;
    panel.style.left = `${Math.min(Math.max(start, MARGIN), room - width - MARGIN)}px`;
    panel.style.maxHeight = `${Math.min(under ? below : above, 480)}px`;
    panel.style.top = under ? `${at.bottom + MARGIN / 2}px` : "auto";
    panel.style.bottom = under ? "auto" : `${clientHeight - at.top + MARGIN / 2}px`;
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

/** Bases of one's own tunings, of no use to anybody else. */
const TUNED = "ft:";

function byName(a: Model, b: Model): number {
  const tuned = Number(a.name.startsWith(TUNED)) - Number(b.name.startsWith(TUNED));
  return tuned || a.name.localeCompare(b.name, "en", { numeric: true });
}
