import { css, html, nothing } from "lit";
import type { KeyChanges, KeyInfo, KeyTest } from "../../types.js";
import { secretField, secretOf, textField, valueOf, clear } from "../base/fields.js";
import { Part } from "../base/part.js";
import { styles } from "../base/styles.js";

/** An end this near is marked. */
const SOON_MS = 7 * 86_400_000;
/** A removed key can be had back for this long: WCAG 2.2 SC 2.2.1 has 20 s as enough to react. */
const UNDO_MS = 20_000;

/** One key: what it is, how it fares, and what can be done with it. */
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
      .verdict {
        margin-block-start: 0.5rem;
      }
    `,
  ];
  static override properties = {
    info: { attribute: false },
    test: { state: true },
    testing: { state: true },
    open: { state: true },
    leaving: { state: true },
  };

  declare info: KeyInfo;
  declare test: KeyTest | null;
  declare testing: boolean;
  declare open: boolean;
  /** Whether it was active before it was asked to be removed; null while it stays. */
  declare leaving: { active: boolean } | null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #leave = () => void this.#finish();

  constructor() {
    super();
    this.test = null;
    this.testing = false;
    this.open = false;
    this.leaving = null;
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    void this.#finish();
  }

  protected override render() {
    const { info } = this;
    const text = this.text.keys;
    const name = this.keyName(info);
    if (this.leaving) {
      return html`<div class="row" role="status">
        <p class="grow">${text.removed(name)}</p>
        <button type="button" class="button small" data-testid="key-undo" @click=${this.#undo}>${this.text.undo}</button>
      </div>`;
    }
    return html`<div class="row">
        <div class="grow">
          <h3>${name}</h3>
          <p class="facts">
            <code>${info.preview || text.noPreview}</code>
            ${this.#status()}
            ${info.createdAt > 0 ? html`<span>${text.addedOn(this.date(info.createdAt))}</span>` : nothing}
            ${info.lastUsedAt ? html`<span>${text.usedOn(this.date(info.lastUsedAt))}</span>` : nothing}
            ${info.expiresAt ? html`<span class=${info.expiresAt - Date.now() < SOON_MS ? "bad" : ""}>${text.expiresOn(this.date(info.expiresAt))}</span>` : nothing}
            ${info.dailyCapUsd === null ? nothing : html`<span>${text.cap(this.money(info.dailyCapUsd))}</span>`}
          </p>
        </div>
        <div class="row">
        <button type="button" class="button small" data-testid="key-test" aria-label=${text.testKey(name)} aria-disabled=${this.busy} @click=${this.#try}>
          ${text.test}
        </button>
        <button type="button" class="button small" data-testid="key-remove" aria-label="${text.remove}: ${name}" aria-disabled=${this.busy} @click=${this.#remove}>
          ${text.remove}
        </button>
        </div>
      </div>
      <div role="status" class="verdict" data-testid="key-verdict" data-verdict=${this.test?.verdict ?? nothing}>${this.#verdict()}</div>
      <details @toggle=${this.#toggled}>
        <summary aria-label=${text.manageKey(name)} data-testid="key-manage">${text.manage}</summary>
        ${this.open ? this.#manage() : nothing}
      </details>
      ${this.open ? nothing : this.problems()}`;
  }

  /** What keeps a key from being used comes before how it fared when it was last tested. */
  #status() {
    const { refusal, status, knownShape } = this.info;
    const text = this.text.keys;
    if (refusal !== null) return html`<span class="bad" data-testid="key-status">${text.refusals[refusal] ?? refusal}</span>`;
    const words = status === "unknown" && !knownShape ? text.unusualShape : text.statuses[status];
    return html`<span class=${status === "valid" ? "good" : status === "unknown" ? "" : "bad"} data-testid="key-status">${words}</span>`;
  }

  #verdict() {
    const text = this.text.keys;
    if (this.testing) return html`<p class="muted">${text.testing}</p>`;
    if (!this.test) return nothing;
    const { verdict, latencyMs, credit } = this.test;
    return html`<p class=${verdict === "valid" ? "good" : "bad"}>
      ${text.verdicts[verdict]} ${text.took(Math.round(latencyMs))} ${typeof credit === "number" ? text.credit(this.money(credit)) : ""}
    </p>`;
  }

  #manage() {
    const { info } = this;
    const text = this.text.keys;
    const day = info.expiresAt === null ? "" : new Date(info.expiresAt).toISOString().slice(0, 10);
    return html`<div class="stack">
      ${this.problems()}
      <form class="stack" novalidate @submit=${this.#save}>
        <label class="tick"><input type="checkbox" name="active" .checked=${info.active} data-testid="key-active" /><span>${text.active}</span></label>
        ${textField({ name: "name", label: text.label, value: info.name, error: this.errors["name"], testId: "key-rename" })}
        ${textField({ name: "expiresAt", label: text.expiry, type: "date", value: day, error: this.errors["expiresAt"] })}
        ${textField({
          name: "dailyCapUsd",
          label: text.dailyCap,
          hint: text.capHint,
          type: "number",
          min: "0",
          step: "0.01",
          value: info.dailyCapUsd === null ? "" : String(info.dailyCapUsd),
          error: this.errors["dailyCapUsd"],
          testId: "key-cap",
        })}
        <div class="row"><button class="button small" data-testid="key-save" aria-disabled=${this.busy}>${this.text.save}</button></div>
        ${this.live()}
      </form>
      <details>
        <summary>${text.replace}</summary>
        <form class="stack" novalidate @submit=${this.#replace}>
          ${secretField({ name: "key", label: this.text.add.key, hint: text.replaceHint, autocomplete: "off", error: this.errors["key"], testId: "key-replace" })}
          <div class="row"><button class="button small" data-testid="key-replace-submit" aria-disabled=${this.busy}>${text.replace}</button></div>
        </form>
      </details>
      <details>
        <summary data-testid="key-reveal">${text.reveal}</summary>
        <keyferry-reveal exportparts="field,problem" .vault=${this.vault} .keyId=${info.id}></keyferry-reveal>
      </details>
    </div>`;
  }

  readonly #toggled = ({ currentTarget }: Event): void => {
    this.open = (currentTarget as HTMLDetailsElement).open;
  };

  readonly #try = (): void => {
    void this.run(async () => {
      this.testing = true;
      try {
        this.test = (await this.vault?.keys.test(this.info.id)) ?? null;
      } finally {
        this.testing = false;
      }
    });
  };

  readonly #save = (event: SubmitEvent): void => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const day = valueOf(form, "expiresAt");
    const cap = valueOf(form, "dailyCapUsd");
    const changes: KeyChanges = {
      active: (form.elements.namedItem("active") as HTMLInputElement).checked,
      // To the end of that day, where the person is.
      expiresAt: day === "" ? null : new Date(`${day}T23:59:59`).getTime(),
      dailyCapUsd: cap === "" ? null : Number(cap),
    };
    const name = valueOf(form, "name").trim();
    if (name !== this.info.name) changes.name = name;
    void this.run(async () => {
      await this.vault?.keys.update(this.info.id, changes);
      this.say(this.text.keys.updated);
    }, ["name", "expiresAt", "dailyCapUsd"]);
  };

  readonly #replace = (event: SubmitEvent): void => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    if (valueOf(form, "key").trim() === "") return this.missing("key", this.text.add.blank);
    void this.run(async () => {
      await this.vault?.keys.rotate(this.info.id, secretOf(form, "key"));
      clear(form);
      this.test = null;
      this.say(this.text.keys.replaced);
    }, ["key"]);
  };

  /** Out of use at once, gone when nobody objects. */
  readonly #remove = (): void => {
    void this.run(async () => {
      const { id, active } = this.info;
      if (active) await this.vault?.keys.update(id, { active: false });
      this.leaving = { active };
      this.#timer = setTimeout(() => void this.#finish(), UNDO_MS);
      addEventListener("pagehide", this.#leave);
      await this.updateComplete;
      this.renderRoot.querySelector("button")?.focus();
    });
  };

  readonly #undo = (): void => {
    const was = this.leaving;
    this.#stay();
    void this.run(async () => {
      if (was?.active) await this.vault?.keys.update(this.info.id, { active: true });
    });
  };

  async #finish(): Promise<void> {
    if (!this.leaving) return;
    this.#stay();
    await this.run(async () => void (await this.vault?.keys.remove(this.info.id)));
  }

  #stay(): void {
    clearTimeout(this.#timer);
    removeEventListener("pagehide", this.#leave);
    this.leaving = null;
  }
}
