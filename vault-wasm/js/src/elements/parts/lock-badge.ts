import { css, html, nothing } from "lit";
import { Part } from "../base/part.js";
import { styles } from "../base/styles.js";
import { timeLeft } from "../base/time-left.js";

/** Whether the vault is open and for how long; warns before it locks by itself. Works with any port. */
export class LockBadge extends Part {
  static override styles = [
    styles,
    css`
      .state::before {
        content: "";
        display: inline-block;
        width: 0.6rem;
        height: 0.6rem;
        margin-inline-end: 0.4rem;
        border: 2px solid var(--line-strong);
        border-radius: 50%;
      }
      /* Shape as well as colour tells the states apart. */
      [data-state="unlocked"]::before {
        border-color: var(--good);
        background: var(--good);
      }
      [data-state="locked"]::before {
        border-radius: 0.125rem;
        background: var(--line-strong);
      }
      .time {
        font-variant-numeric: tabular-nums;
      }
    `,
  ];
  #timer: ReturnType<typeof setInterval> | undefined;

  override connectedCallback(): void {
    super.connectedCallback();
    this.#timer = setInterval(() => this.requestUpdate(), 1_000);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearInterval(this.#timer);
  }

  protected override render() {
    const text = this.text.lock;
    const { state, lockAt, warnAt } = this.vault?.getSnapshot() ?? { state: "locked" as const, lockAt: null, warnAt: null };
    const soon = state === "unlocked" && warnAt !== null && Date.now() >= warnAt;
    return html`<div class="row">
        <span class="state" data-state=${state}>${text.state[state]}</span>
        ${state === "unlocked" && lockAt !== null
          ? html`<span class="muted time">${text.locksIn(timeLeft(lockAt - Date.now(), text))}</span>
              <button type="button" class="button small" @click=${this.#lock}>${text.button}</button>`
          : nothing}
      </div>
      <div role="alert">
        ${soon
          ? html`<div class="notice row">
              <p class="grow">${text.soon}</p>
              <button type="button" class="button small" @click=${() => this.vault?.touch()}>${text.stay}</button>
            </div>`
          : nothing}
      </div>
      ${this.problems()}`;
  }

  readonly #lock = (): void => {
    void this.run(async () => void (await this.vault?.lock()));
  };
}
