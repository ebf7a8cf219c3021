import { css, html } from "lit";
import type { KeyInfo } from "../../types.js";
import { Part } from "../base/part.js";
import { styles } from "../base/styles.js";

/** One key: what it is and how it fares. */
export class KeyCard extends Part {
  static override styles = [
    styles,
    css`
      .facts {
        display: flex;
        flex-wrap: wrap;
        gap: 0.125rem 1.25rem;
        font-size: 0.9375rem;
        color: var(--muted);
      }
    `,
  ];
  static override properties = { info: { attribute: false } };

  declare info: KeyInfo;

  protected override render() {
    const { info } = this;
    const text = this.text.keys;
    return html`<div class="row">
      <div class="grow">
        <h3>${this.title_}</h3>
        <p class="facts">
          <code>${info.preview || text.noPreview}</code>
          ${this.#status()}
          ${info.createdAt > 0 ? html`<span>${text.addedOn(this.date(info.createdAt))}</span>` : ""}
        </p>
      </div>
      <button type="button" class="button small" data-testid="key-remove" @click=${this.#remove}>${text.remove}</button>
    </div>
    ${this.problems()}`;
  }

  /** The vault's own names begin with the provider's and need not be told twice. */
  private get title_(): string {
    const { provider, name } = this.info;
    if (provider === "") return this.text.keys.damaged;
    const called = this.vault?.providers().find(({ id }) => id === provider)?.name ?? provider;
    return name === "" || name.startsWith(called) ? name || called : `${called}: ${name}`;
  }

  /** What keeps a key from being used comes before how it fared when it was last tested. */
  #status() {
    const { refusal, status, knownShape } = this.info;
    const text = this.text.keys;
    if (refusal !== null) return html`<span class="bad">${text.refusals[refusal] ?? refusal}</span>`;
    if (status === "valid") return html`<span class="good">${text.statuses.valid}</span>`;
    const words = status === "unknown" && !knownShape ? text.unusualShape : text.statuses[status];
    return html`<span class=${status === "unknown" ? "" : "bad"}>${words}</span>`;
  }

  readonly #remove = (): void => {
    void this.run(async () => void (await this.vault?.keys.remove(this.info.id)));
  };
}
