import { html, nothing } from "lit";
import type { KeyInfo, Repair } from "../../types.js";
import { Part } from "../base/part.js";

/** What a repair found: which keys there are, which are not as they were, which are lost. */
export class Repaired extends Part {
  static override properties = { result: { attribute: false } };

  declare result: Repair;
  /** Called when it has been read. */
  done: () => void = () => undefined;

  protected override firstUpdated(): void {
    this.renderRoot.querySelector("h1")?.focus();
  }

  protected override render() {
    const { relisted, found, keys, dropped } = this.result;
    const text = this.text.repair;
    const older = keys.filter(({ id }) => found.some((damage) => damage.id === id && damage.kind === "rolled_back"));
    const lost = [...keys.filter(({ damaged }) => damaged !== null), ...dropped];
    return html`<section class="card" part="card" aria-labelledby="title" data-testid="repaired">
      <h1 id="title" tabindex="-1">${text.done}</h1>
      <p class="lead">${text.kept(keys.filter(({ refusal }) => refusal === null).length)}</p>
      ${relisted ? html`<p class="notice">${text.relisted}</p>` : nothing}
      ${this.#named(text.older, older, "repair-older")} ${this.#named(text.lost, lost, "repair-lost")}
      <div class="row"><button type="button" class="button primary" data-testid="repair-done" @click=${this.done}>${this.text.recovery.done}</button></div>
    </section>`;
  }

  #named(words: string, keys: readonly KeyInfo[], testId: string) {
    if (keys.length === 0) return nothing;
    return html`<p>${words}</p>
      <ul class="stack" data-testid=${testId}>${keys.map((key) => html`<li><strong>${this.keyName(key)}</strong></li>`)}</ul>`;
  }
}
