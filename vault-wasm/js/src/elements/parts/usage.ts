import { css, html, nothing, unsafeCSS, type PropertyValues } from "lit";
import chartCss from "uplot/dist/uPlot.min.css";
import type { KeyInfo, UsageRow } from "../../types.js";
import { offerOf, type Model, type Offer } from "../base/models.js";
import { Part } from "../base/part.js";
import { drawBars } from "../base/stacked-bars.js";
import { styles } from "../base/styles.js";
import { costAt, group, sum } from "../base/usage.js";
import { language } from "../strings/index.js";
import type { ModelPicker } from "./model-picker.js";

const DAY_MS = 86_400_000;
const DAYS = 30;
/** Told apart by colour; what comes after the last is one more. */
const COLOURS = 6;
/** Well known, from cheap to dear: something to compare with before one has been chosen. */
const COMPARED = ["openai/gpt-4o-mini", "google/gemini-2.5-flash", "deepseek/deepseek-chat", "anthropic/claude-haiku-4-5", "openai/gpt-4o", "anthropic/claude-sonnet-5"];

type Grouping = "provider" | "key";

interface Line {
  readonly name: string;
  readonly rows: readonly UsageRow[];
}

/** What the keys were used for and what it cost: by day, by provider or key, and what it would have cost elsewhere. */
export class UsageReport extends Part {
  static override styles = [
    styles,
    unsafeCSS(chartCss),
    css`
      .figures {
        display: flex;
        flex-wrap: wrap;
        gap: 0.75rem;
      }
      .figures > div {
        display: grid;
        flex: 1 1 7.5rem;
        align-content: space-between;
        padding: 0.75rem;
        border-radius: var(--radius);
        background: var(--soft);
      }
      .figures dt {
        font-size: 0.875rem;
        color: var(--muted);
      }
      .figures dd {
        font-size: 1.125rem;
        font-weight: 650;
        font-variant-numeric: tabular-nums;
      }
      .chart {
        min-height: 200px;
        font-size: 0.75rem;
        color: var(--muted);
        direction: ltr;
      }
      .grouping {
        display: flex;
        flex-wrap: wrap;
        gap: 0.25rem 1rem;
        margin: 0;
        padding: 0;
        border: 0;
      }
      .grouping legend {
        float: inline-start;
        padding: 0;
        margin-inline-end: 1rem;
        font-weight: 600;
        font-size: 0.9375rem;
      }
      .grouping label {
        display: flex;
        align-items: center;
        gap: 0.375rem;
        min-height: 1.5rem;
        font-size: 0.9375rem;
      }
      .grouping input {
        width: 1.125rem;
        height: 1.125rem;
        margin: 0;
        accent-color: var(--accent);
      }
      .swatch {
        position: absolute;
        inset-block-start: 0.6875rem;
        inset-inline-start: 0.5rem;
        width: 0.75rem;
        height: 0.75rem;
        border-radius: 0.125rem;
      }
      .c0 {
        background: light-dark(#0b6b5e, #4fc3b0);
      }
      .c1 {
        background: light-dark(#b4560f, #f0a35e);
      }
      .c2 {
        background: light-dark(#4b52b8, #a3a9ff);
      }
      .c3 {
        background: light-dark(#a8325e, #f08bb0);
      }
      .c4 {
        background: light-dark(#5c7016, #b8cf6a);
      }
      .c5 {
        background: light-dark(#5d6670, #9aa5b0);
      }
      td.number,
      th.number {
        text-align: end;
      }
      tbody th {
        min-width: 6rem;
      }
      th:has(.swatch) {
        position: relative;
        padding-inline-start: 1.75rem;
      }
      tr.chosen {
        background: var(--soft);
      }
    `,
  ];
  static override properties = {
    rows: { state: true },
    keys: { state: true },
    by: { state: true },
    offer: { state: true },
    compared: { state: true },
  };

  declare rows: readonly UsageRow[] | null;
  declare keys: readonly KeyInfo[];
  declare by: Grouping;
  declare offer: Offer | null;
  /** A model chosen to compare with. */
  declare compared: string | null;
  #erase: (() => void) | undefined;
  readonly #dark = matchMedia("(prefers-color-scheme: dark)");
  readonly #redraw = () => this.#draw();

  constructor() {
    super();
    this.rows = null;
    this.keys = [];
    this.by = "provider";
    this.offer = null;
    this.compared = null;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    // A canvas does not follow the scheme by itself.
    this.#dark.addEventListener("change", this.#redraw);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#dark.removeEventListener("change", this.#redraw);
    this.#erase?.();
    this.#erase = undefined;
  }

  protected override changed(): void {
    const since = Date.now() - (DAYS - 1) * DAY_MS;
    void this.load(async (vault) => [await vault.usage({ since }), await vault.keys.list()] as const).then((read) => {
      if (!read) return;
      const [rows, keys] = read;
      this.rows = rows.filter(({ day }) => day > 0);
      this.keys = keys;
    });
  }

  protected override willUpdate(changed: PropertyValues): void {
    super.willUpdate(changed);
    // Prices are a help, no need: without them the comparison is left out.
    if (changed.has("vault") && this.vault) void offerOf(this.vault.relay).then((offer) => (this.offer = offer), () => undefined);
  }

  protected override updated(changed: PropertyValues): void {
    // Other updates, such as the vault's snapshot ticking, change nothing in the picture.
    if (["rows", "keys", "by"].some((name) => changed.has(name)) || !this.#erase) this.#draw();
  }

  protected override render() {
    const text = this.text.usage;
    const rows = this.rows ?? [];
    return this.section(
      text.title,
      html`${this.problems()}
      ${this.rows === null
        ? html`<p class="muted" role="status">${this.text.loading}</p>`
        : rows.length === 0
          ? html`<p class="muted" data-testid="usage-empty">${text.empty}</p>`
          : this.#report(rows)}`,
    );
  }

  #report(rows: readonly UsageRow[]) {
    const text = this.text.usage;
    const total = sum(rows);
    return html`<dl class="figures" data-testid="usage-total">
        <div><dt>${text.youPaid}</dt><dd data-testid="usage-paid">${this.money(total.costUsd)}</dd></div>
        <div><dt>${text.appSaved}</dt><dd>${this.money(total.costUsd)}</dd></div>
        <div><dt>${text.requests}</dt><dd>${this.#count(total.requests)}</dd></div>
        <div><dt>${text.tokens}</dt><dd>${this.#count(total.inputTokens + total.outputTokens)}</dd></div>
      </dl>
      <p class="muted">${text.explained}</p>
      <fieldset class="grouping">
        <legend>${text.by}</legend>
        ${(["provider", "key"] as const).map(
          (by) => html`<label
            ><input type="radio" name="by" value=${by} data-testid="usage-by-${by}" .checked=${this.by === by} @change=${() => (this.by = by)} />${text[by]}</label
          >`,
        )}
      </fieldset>
      <div class="chart" role="img" aria-label=${text.chart}></div>
      ${this.#table(text[this.by], this.#lines(rows), true)}
      <details>
        <summary data-testid="usage-days">${text.table}</summary>
        ${this.#table(text.day, this.#days(rows), false)}
      </details>
      ${total.estimated > 0 ? html`<p class="muted">${text.estimated}</p>` : nothing} ${this.#comparison(rows)}`;
  }

  /** Largest first, each with a colour of its own as far as they go. */
  #lines(rows: readonly UsageRow[]): readonly Line[] {
    const named = new Map(this.keys.map((key) => [key.id, this.keyName(key)]));
    const name = ([first]: readonly UsageRow[]) => {
      const provider = this.providerName(first?.provider ?? "");
      return this.by === "provider" ? provider : (named.get(first?.keyId ?? "") ?? this.text.usage.gone(provider));
    };
    return [...group(rows, ({ keyId, provider }) => (this.by === "key" ? keyId : provider)).values()]
      .map((of) => ({ name: name(of), rows: of }))
      .sort((a, b) => sum(b.rows).costUsd - sum(a.rows).costUsd || sum(b.rows).requests - sum(a.rows).requests);
  }

  #days(rows: readonly UsageRow[]): readonly Line[] {
    const groups = [...group(rows, ({ day }) => day)].sort(([a], [b]) => b - a);
    return groups.map(([day, of]) => ({ name: this.#day(day), rows: of }));
  }

  #table(first: string, lines: readonly Line[], coloured: boolean) {
    const text = this.text.usage;
    return html`<div class="scroll" tabindex="0" role="group" aria-label=${first}>
      <table data-testid="usage-table">
        <thead>
          <tr>
            <th scope="col">${first}</th>
            <th scope="col" class="number">${text.cost}</th>
            <th scope="col" class="number">${text.requests}</th>
            <th scope="col" class="number">${text.tokens}</th>
            <th scope="col" class="number">${text.errors}</th>
          </tr>
        </thead>
        <tbody>
          ${lines.map(({ name, rows }, at) => {
            const { requests, inputTokens, outputTokens, errors, costUsd } = sum(rows);
            return html`<tr>
              <th scope="row">${coloured ? html`<span class="swatch c${colour(at)}"></span>` : nothing}<bdi>${name}</bdi></th>
              <td class="number">${this.money(costUsd)}</td>
              <td class="number">${this.#count(requests)}</td>
              <td class="number">${this.#count(inputTokens + outputTokens)}</td>
              <td class="number">${this.#count(errors)}</td>
            </tr>`;
          })}
        </tbody>
      </table>
    </div>`;
  }

  #comparison(rows: readonly UsageRow[]) {
    const { offer } = this;
    const text = this.text.usage;
    const total = sum(rows);
    if (!offer || total.inputTokens + total.outputTokens === 0) return nothing;
    const lines = offer.models
      .filter(({ id }) => COMPARED.includes(id) || id === this.compared)
      .map((model) => ({ model, usd: costAt(model, total) }))
      .filter((line): line is { model: Model; usd: number } => line.usd !== null)
      .sort((a, b) => a.usd - b.usd);
    return html`<details>
      <summary data-testid="usage-compare">${text.compare}</summary>
      <div class="stack">
        <p class="muted">${text.compareHint(this.#count(total.inputTokens), this.#count(total.outputTokens))}</p>
        <div class="scroll" tabindex="0" role="group" aria-label=${text.compare}>
          <table>
            <thead>
              <tr>
                <th scope="col">${text.model}</th>
                <th scope="col" class="number">${text.cost}</th>
                <th scope="col" class="number">${text.against}</th>
              </tr>
            </thead>
            <tbody>
              ${lines.map(
                ({ model, usd }) => html`<tr class=${model.id === this.compared ? "chosen" : ""} data-testid="usage-compared" data-model=${model.id}>
                  <th scope="row"><bdi>${model.name}</bdi></th>
                  <td class="number">${this.money(usd)}</td>
                  <td class="number">${this.#against(usd, total.costUsd)}</td>
                </tr>`,
              )}
            </tbody>
          </table>
        </div>
        <keyferry-model-picker
          .vault=${this.vault}
          .label=${text.compareWith}
          .value=${this.compared ?? undefined}
          @change=${({ currentTarget }: Event) => (this.compared = (currentTarget as ModelPicker).value ?? null)}
        ></keyferry-model-picker>
      </div>
    </details>`;
  }

  /** How much more or less than what was paid. */
  #against(usd: number, paid: number): string {
    if (paid === 0) return "–";
    return (usd / paid - 1).toLocaleString(language.tag, { style: "percent", maximumFractionDigits: 0, signDisplay: "exceptZero" });
  }

  #count(value: number): string {
    return value.toLocaleString(language.tag);
  }

  /** Days are counted in UTC, and so they are named. */
  #day(time: number): string {
    return new Date(time).toLocaleDateString(language.tag, { timeZone: "UTC", month: "short", day: "numeric" });
  }

  #draw(): void {
    this.#erase?.();
    this.#erase = undefined;
    const place = this.renderRoot.querySelector<HTMLElement>(".chart");
    if (!place || !this.rows) return;
    const today = Math.floor(Date.now() / DAY_MS) * DAY_MS;
    const days = Array.from({ length: DAYS }, (_, i) => today - (DAYS - 1 - i) * DAY_MS);
    const swatches = this.renderRoot.querySelectorAll(".swatch");
    const stacks = this.#lines(this.rows).map(({ rows }, at) => {
      const byDay = group(rows, ({ day }) => day);
      const swatch = swatches[at];
      return {
        fill: swatch ? getComputedStyle(swatch).backgroundColor : "currentcolor",
        values: days.map((day) => sum(byDay.get(day) ?? []).costUsd),
      };
    });
    this.#erase = drawBars(place, { days, stacks, day: (time) => this.#day(time), amount: (usd) => this.money(usd) });
  }
}

function colour(at: number): number {
  return Math.min(at, COLOURS - 1);
}
