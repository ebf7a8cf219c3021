import { css, html, nothing, type PropertyValues } from "lit";
import type { VaultState } from "../../types.js";
import { Part } from "../base/part.js";
import { styles } from "../base/styles.js";
import { timeLeft } from "../base/time-left.js";

/** Whether the vault is open and for how long; warns before it locks by itself. Works with any port. */
export class LockBadge extends Part {
  static override styles = [
    styles,
    css`
      .badge {
        display: flex;
        align-items: center;
        gap: 0.5rem 0.75rem;
        min-height: 2.75rem;
      }
      .words {
        display: flex;
        flex-wrap: wrap;
        gap: 0 0.5rem;
        line-height: 1.25;
      }
      .state {
        display: flex;
        align-items: center;
        gap: 0.4rem;
        font-weight: 600;
      }
      .state::before {
        content: "";
        flex: none;
        width: 0.6rem;
        height: 0.6rem;
        border: 2px solid var(--line-strong);
        border-radius: 50%;
      }
      /* Shape as well as colour tells the states apart. */
      [data-state="unlocked"].state::before {
        border-color: var(--good);
        background: var(--good);
      }
      [data-state="locked"].state::before {
        border-radius: 0.125rem;
        border-color: var(--muted);
        background: var(--muted);
      }
      .time {
        font-variant-numeric: tabular-nums;
      }
      /* Over everything, and moving nothing. */
      .warning {
        position: fixed;
        inset: 0.75rem 0.75rem auto;
        width: auto;
        max-width: 32rem;
        margin: 0 auto;
        padding: 0.75rem 1rem;
        border: 1px solid var(--warn);
        border-radius: var(--radius);
        background: var(--warn-soft);
        color: var(--text);
        box-shadow: 0 8px 32px rgb(0 0 0 / 25%);
      }
    `,
  ];
  static override properties = { unlock: { type: Boolean }, soon: { state: true } };

  /** Offers to open a locked vault, in the vault's own dialog. */
  declare unlock: boolean;
  declare soon: boolean;
  #timer: ReturnType<typeof setInterval> | undefined;
  #state: VaultState | undefined;

  constructor() {
    super();
    this.unlock = false;
    this.soon = false;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#timer = setInterval(() => this.requestUpdate(), 1_000);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearInterval(this.#timer);
  }

  protected override willUpdate(changed: PropertyValues): void {
    super.willUpdate(changed);
    const { state, warnAt } = this.#snapshot;
    this.soon = state === "unlocked" && warnAt !== null && Date.now() >= warnAt;
    if (this.#state !== undefined && this.#state !== state) this.say(this.text.lock.now[state]);
    this.#state = state;
  }

  protected override updated(): void {
    this.renderRoot.querySelector<HTMLElement>(".warning")?.togglePopover(this.soon);
  }

  protected override render() {
    const text = this.text.lock;
    const { state, lockAt } = this.#snapshot;
    return html`<div class="badge" part="badge">
        <p class="words" part="words">
          <span class="state" data-testid="vault-state" data-state=${state}>${text.state[state]}</span>
          ${state === "unlocked" && lockAt !== null
            ? html`<span class="muted time" role="timer">${text.locksIn(timeLeft(lockAt - Date.now(), text))}</span>`
            : nothing}
        </p>
        ${state === "unlocked"
          ? html`<button type="button" class="button small" data-testid="lock-button" title=${text.hint} @click=${this.#lock}>${text.button}</button>`
          : nothing}
        ${state === "locked" && this.unlock
          ? html`<button type="button" class="button small" data-testid="unlock-button" @click=${this.#unlock}>${text.unlock}</button>`
          : nothing}
      </div>
      <p class="quiet" role="status">${this.said}</p>
      <p class="quiet" role="alert">${this.soon ? text.soon : ""}</p>
      ${this.problems()}
      <div class="warning" popover="manual" data-testid="lock-warning">
        ${this.soon
          ? html`<div class="row">
              <p class="grow">${text.soon}</p>
              <button type="button" class="button small" @click=${() => this.vault?.touch()}>${text.stay}</button>
            </div>`
          : nothing}
      </div>`;
  }

  get #snapshot() {
    return this.vault?.getSnapshot() ?? { state: "locked" as const, lockAt: null, warnAt: null };
  }

  readonly #lock = (): void => {
    void this.run(async () => void (await this.vault?.lock()));
  };

  readonly #unlock = (): void => {
    void this.run(async () => void (await this.vault?.ui.open("unlock")));
  };
}
