import { html, nothing, type PropertyValues } from "lit";
import { clear, secretField, valueOf } from "../base/fields.js";
import { Part } from "../base/part.js";
import { SignIn, authorizeUrlOf } from "../base/sign-in.js";

/** OpenRouter forgets a code sooner than this. */
const WAIT_MS = 10 * 60_000;
const WINDOW = "popup,width=520,height=720";

/** Gets a key from OpenRouter by signing in there, without copy and paste. Shows nothing where the relay offers none. */
export class Connect extends Part {
  static override properties = { signIn: { state: true }, waiting: { state: true } };

  declare signIn: SignIn | null;
  declare waiting: AbortController | null;
  #authorize: string | null = null;

  constructor() {
    super();
    this.signIn = null;
    this.waiting = null;
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.waiting?.abort();
  }

  protected override willUpdate(changed: PropertyValues): void {
    super.willUpdate(changed);
    if (changed.has("vault") && this.vault) void this.#prepare(this.vault.relay);
  }

  async #prepare(relay: string): Promise<void> {
    this.#authorize ??= await authorizeUrlOf(relay);
    this.signIn = this.#authorize === null ? null : await SignIn.prepare(relay, this.#authorize);
  }

  protected override render() {
    const text = this.text.connect;
    if (!this.signIn) return nothing;
    return html`<div class="stack">
      ${this.waiting ? this.#wait() : html`<div class="row">
            <button type="button" class="button" data-testid="connect-openrouter" aria-disabled=${this.busy} @click=${this.#open}>${text.button}</button>
            <span class="note">${text.hint}</span>
          </div>`}
      ${this.problems()} ${this.said ? this.live() : nothing}
    </div>`;
  }

  #wait() {
    const text = this.text.connect;
    return html`<div class="notice stack" data-testid="connect-waiting">
      <p role="status">${text.waiting} <a href=${this.signIn?.url ?? ""} target="_blank" rel="opener">${text.again}</a></p>
      <form class="stack" novalidate @submit=${this.#paste}>
        ${secretField({ name: "code", label: text.code, hint: text.codeHint, autocomplete: "off", error: this.errors["code"], testId: "connect-code" })}
        <div class="row">
          <button class="button small" data-testid="connect-code-submit" aria-disabled=${this.busy}>${text.useCode}</button>
          <button type="button" class="button small" data-testid="connect-cancel" @click=${this.#cancel}>${this.text.cancel}</button>
        </div>
      </form>
    </div>`;
  }

  readonly #open = (): void => {
    const { signIn, vault } = this;
    if (!signIn || !vault || this.busy) return;
    // Null both when a blocker stopped it and when the app's page isolates itself: the words that follow serve both.
    window.open(signIn.url, "_blank", WINDOW);
    const waiting = new AbortController();
    const timer = setTimeout(() => waiting.abort(), WAIT_MS);
    waiting.signal.addEventListener("abort", () => clearTimeout(timer));
    this.waiting = waiting;
    this.problem = null;
    this.say("");
    signIn.code(waiting.signal).then(
      (code) => {
        if (this.waiting === waiting) void this.#redeem(code);
      },
      () => {
        if (this.waiting === waiting) this.#cancel();
      },
    );
  };

  readonly #cancel = (): void => {
    this.waiting?.abort();
    this.waiting = null;
    this.errors = {};
    void this.updateComplete.then(() => this.renderRoot.querySelector<HTMLElement>("button")?.focus());
  };

  readonly #paste = (event: SubmitEvent): void => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const code = valueOf(form, "code").trim();
    if (code === "") return this.missing("code", this.text.connect.blank);
    clear(form);
    void this.#redeem(code);
  };

  async #redeem(code: string): Promise<void> {
    const { signIn, vault } = this;
    if (!signIn || !vault) return;
    await this.run(async () => {
      if (code === "") throw Object.assign(new Error(), { code: "connect_cancelled" });
      const key = await signIn.key(code);
      try {
        await vault.keys.add({ provider: "openrouter", key });
      } finally {
        key.fill(0);
      }
      this.say(this.text.connect.connected);
    });
    this.waiting?.abort();
    this.waiting = null;
    // Neither verifier nor keys serve twice.
    await this.#prepare(vault.relay);
    await this.updateComplete;
    this.renderRoot.querySelector<HTMLElement>("button")?.focus();
  }
}
