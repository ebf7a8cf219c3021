import { css, html } from "lit";
import { repeat } from "lit/directives/repeat.js";
import type { KeyInfo } from "../../types.js";
import { Part } from "../base/part.js";
import { styles } from "../base/styles.js";

/** Every key of the vault, as a list of cards. */
export class Keys extends Part {
  static override styles = [
    styles,
    css`
      .empty {
        padding: 1.25rem;
        border: 1px dashed var(--line-strong);
        border-radius: var(--radius);
        text-align: center;
      }
      li + li {
        border-block-start: 1px solid var(--line);
        padding-block-start: 1rem;
      }
      ul {
        gap: 1rem;
        min-height: 4.5rem;
      }
    `,
  ];
  static override properties = { keys: { state: true } };

  declare keys: readonly KeyInfo[] | null;
  #round = 0;

  constructor() {
    super();
    this.keys = null;
  }

  protected override changed(): void {
    void this.#load();
  }

  async #load(): Promise<void> {
    const round = ++this.#round;
    const keys = await this.load((vault) => vault.keys.list());
    // A slower, older answer must not overwrite a newer one.
    if (keys && round === this.#round) this.keys = keys;
  }

  protected override render() {
    const text = this.text.keys;
    return this.section(
      text.title,
      html`
      <p class="lead">${text.lead}</p>
      ${this.problems()}
      <ul class="stack" data-testid="key-list" aria-label=${text.title} aria-busy=${this.keys === null}>
        ${this.keys === null
          ? html`<li class="muted">${this.text.loading}</li>`
          : this.keys.length === 0
            ? html`<li class="empty"><strong>${text.empty}</strong><br /><span class="muted">${text.emptyHint}</span></li>`
            : repeat(
                this.keys,
                ({ id }) => id,
                (key) => html`<li data-testid="key-row" data-key-id=${key.id} data-provider=${key.provider}>
                  <keyferry-key-card exportparts="card,field,problem" .vault=${this.vault} .info=${key}></keyferry-key-card>
                </li>`,
              )}
      </ul>`,
    );
  }
}
