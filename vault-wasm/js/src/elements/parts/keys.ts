import { css, html, nothing } from "lit";
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
  static override properties = { keys: { state: true }, unsaved: { state: true }, toBackup: { attribute: false } };

  declare keys: readonly KeyInfo[] | null;
  /** No backup was ever saved. */
  declare unsaved: boolean;
  /** Brings the person to where backups are saved, where that is on screen. */
  declare toBackup: (() => void) | undefined;
  #round = 0;

  constructor() {
    super();
    this.keys = null;
    this.unsaved = false;
  }

  protected override changed(): void {
    void this.#load();
  }

  async #load(): Promise<void> {
    const round = ++this.#round;
    const read = await this.load(async (vault) => [await vault.keys.list(), await vault.settings()] as const);
    // A slower, older answer must not overwrite a newer one.
    if (!read || round !== this.#round) return;
    const [keys, { exportedAt }] = read;
    this.keys = keys;
    this.unsaved = exportedAt === null;
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
      </ul>
      ${this.unsaved && (this.keys?.length ?? 0) > 0 ? this.#nudge() : nothing}`,
    );
  }

  #nudge() {
    const { unsaved, save } = this.text.backup;
    return html`<div class="row" data-testid="backup-nudge">
      <p class="grow muted">${unsaved}</p>
      ${this.toBackup ? html`<button type="button" class="button small" @click=${this.toBackup}>${save}</button>` : nothing}
    </div>`;
  }
}
