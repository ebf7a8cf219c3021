import { css, html, nothing, unsafeCSS } from "lit";
import uPlot from "uplot";
import chartCss from "uplot/dist/uPlot.min.css";
import type { KeyInfo, UsageRow } from "../../types.js";
import { Part } from "../base/part.js";
import { styles } from "../base/styles.js";
import { language } from "../strings/index.js";

const DAY_MS = 86_400_000;
const DAYS = 30;
const HEIGHT = 180;

/** What the keys were used for and what it cost, by day and by key. */
export class UsageReport extends Part {
  static override styles = [
    styles,
    unsafeCSS(chartCss),
    css`
      .chart {
        min-height: 180px;
        /* Read back for the canvas, which knows no custom properties. */
        accent-color: var(--accent);
        direction: ltr;
      }
    `,
  ];
  static override properties = { rows: { state: true }, keys: { state: true } };

  declare rows: readonly UsageRow[] | null;
  declare keys: readonly KeyInfo[];
  #chart: uPlot | undefined;
  #resize: ResizeObserver | undefined;

  constructor() {
    super();
    this.rows = null;
    this.keys = [];
  }

  protected override changed(): void {
    const since = Date.now() - (DAYS - 1) * DAY_MS;
    void this.load(async (vault) => [await vault.usage({ since }), await vault.keys.list()] as const).then((read) => {
      if (read) [this.rows, this.keys] = read;
    });
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#resize?.disconnect();
    this.#chart?.destroy();
    this.#chart = undefined;
  }

  protected override render() {
    const text = this.text.usage;
    const rows = this.rows?.filter(({ day }) => day > 0) ?? [];
    const requests = sum(rows, "requests");
    return this.section(
      text.title,
      html`${this.problems()}
      ${this.rows === null
        ? html`<p class="muted">${this.text.loading}</p>`
        : requests === 0
          ? html`<p class="muted" data-testid="usage-empty">${text.empty}</p>`
          : html`<p data-testid="usage-total"><strong>${text.total(this.money(sum(rows, "costUsd")), requests)}</strong></p>
              <div class="chart" role="img" aria-label=${text.chart}></div>
              ${this.#byKey(rows)}
              <details>
                <summary>${text.table}</summary>
                ${this.#byDay(rows)}
              </details>
              ${sum(rows, "estimated") > 0 ? html`<p class="muted">${text.estimated}</p>` : nothing}`}`,
    );
  }

  #byKey(rows: readonly UsageRow[]) {
    const text = this.text.usage;
    const named = new Map(this.keys.map((key) => [key.id, this.keyName(key)]));
    const groups = group(rows, ({ keyId }) => keyId);
    return this.#table(
      text.key,
      [...groups].map(([id, of]) => [named.get(id) ?? this.providerName(of[0]?.provider ?? ""), of]),
    );
  }

  #byDay(rows: readonly UsageRow[]) {
    const groups = [...group(rows, ({ day }) => day)].sort(([a], [b]) => b - a);
    // Days are counted in UTC, and so they are named.
    const name = (day: number) => new Date(day).toLocaleDateString(language.tag, { timeZone: "UTC", month: "short", day: "numeric" });
    return this.#table(this.text.usage.day, groups.map(([day, of]) => [name(day), of]));
  }

  #table(first: string, lines: readonly (readonly [string, readonly UsageRow[]])[]) {
    const text = this.text.usage;
    const count = (value: number) => value.toLocaleString(language.tag);
    return html`<div class="scroll" tabindex="0" role="group" aria-label=${first}>
      <table>
        <thead>
          <tr>
            <th scope="col">${first}</th>
            <th scope="col">${text.requests}</th>
            <th scope="col">${text.tokens}</th>
            <th scope="col">${text.errors}</th>
            <th scope="col">${text.cost}</th>
          </tr>
        </thead>
        <tbody>
          ${lines.map(
            ([name, of]) => html`<tr>
              <th scope="row">${name}</th>
              <td>${count(sum(of, "requests"))}</td>
              <td>${count(sum(of, "inputTokens") + sum(of, "outputTokens"))}</td>
              <td>${count(sum(of, "errors"))}</td>
              <td>${this.money(sum(of, "costUsd"))}</td>
            </tr>`,
          )}
        </tbody>
      </table>
    </div>`;
  }

  protected override updated(): void {
    const place = this.renderRoot.querySelector<HTMLElement>(".chart");
    this.#chart?.destroy();
    this.#chart = undefined;
    this.#resize?.disconnect();
    if (!place || !this.rows) return;
    const costs = group(this.rows, ({ day }) => day);
    const today = Math.floor(Date.now() / DAY_MS) * DAY_MS;
    const days = Array.from({ length: DAYS }, (_, i) => today - (DAYS - 1 - i) * DAY_MS);
    const style = getComputedStyle(this);
    const grid = { stroke: "rgb(128 128 128 / 25%)", width: 1 };
    const axis = { stroke: style.color, grid, ticks: grid, font: `12px ${style.fontFamily}` };
    const bars = uPlot.paths.bars;
    const fill = getComputedStyle(place).accentColor;
    this.#chart = new uPlot(
      {
        width: Math.max(place.clientWidth, 200),
        height: HEIGHT,
        tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
        legend: { show: false },
        cursor: { show: false },
        // Without any cost yet, a cent is the scale.
        scales: { y: { range: (_, __, most) => [0, most > 0 ? most * 1.1 : 0.01] } },
        axes: [axis, { ...axis, size: 64, values: (_, ticks) => ticks.map((usd) => this.money(usd)) }],
        series: [{}, { fill, width: 0, ...(bars && { paths: bars({ size: [0.7, 24] }) }), points: { show: false } }],
      },
      [days.map((day) => day / 1000), days.map((day) => sum(costs.get(day) ?? [], "costUsd"))],
      place,
    );
    this.#resize = new ResizeObserver(() => this.#chart?.setSize({ width: Math.max(place.clientWidth, 200), height: HEIGHT }));
    this.#resize.observe(place);
  }
}

type Counted = "requests" | "errors" | "estimated" | "inputTokens" | "outputTokens" | "costUsd";

function sum(rows: readonly UsageRow[], what: Counted): number {
  return rows.reduce((total, row) => total + row[what], 0);
}

function group<K>(rows: readonly UsageRow[], by: (row: UsageRow) => K): Map<K, UsageRow[]> {
  const groups = new Map<K, UsageRow[]>();
  for (const row of rows) {
    const key = by(row);
    const found = groups.get(key);
    if (found) found.push(row);
    else groups.set(key, [row]);
  }
  return groups;
}
