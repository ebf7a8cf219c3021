import { LitElement, html, nothing, type CSSResultGroup, type PropertyDeclarations, type TemplateResult } from "lit";
import type { Vault } from "../../client/vault.js";
import type { ErrorCode } from "../../errors.js";
import { language, type Message, type Strings } from "../strings/index.js";
import { secretField } from "./fields.js";
import { styles } from "./styles.js";

/** A failure as a part shows it. */
export interface Problem extends Message {
  readonly code: string;
}

/** Codes after which only a reload helps. */
const RELOAD = new Set<string>([
  "no_vault",
  "vault_exists",
  "storage_lost",
  "storage_failed",
  "worker_failed",
  "reload_required",
  "closed",
  "future_version",
] satisfies ErrorCode[]);

/**
 * A piece of the vault's user interface. It watches a vault it is given, runs
 * one task at a time, and shows each failure where it belongs: at the field it
 * is about, else above the buttons.
 */
export abstract class Part extends LitElement {
  static override styles: CSSResultGroup = [styles];
  static override properties: PropertyDeclarations = {
    vault: { attribute: false },
    bare: { attribute: false },
    busy: { state: true },
    problem: { state: true },
    errors: { state: true },
    said: { state: true },
  };

  declare vault: Vault | undefined;
  /** Without card and title, inside something that has them. */
  declare bare: boolean;
  protected declare busy: boolean;
  protected declare problem: Problem | null;
  /** By field. */
  protected declare errors: { readonly [field: string]: Problem };
  protected declare said: string;
  #unwatch: (() => void) | undefined;
  #unsubscribe: (() => void) | undefined;

  constructor() {
    super();
    this.bare = false;
    this.busy = false;
    this.problem = null;
    this.errors = {};
    this.said = "";
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#unwatch = language.watch(() => this.requestUpdate());
    this.#subscribe();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#unwatch?.();
    this.#unsubscribe?.();
    this.#unsubscribe = undefined;
  }

  protected override willUpdate(changed: Map<PropertyKey, unknown>): void {
    if (changed.has("vault")) this.#subscribe();
  }

  #subscribe(): void {
    this.#unsubscribe?.();
    if (!this.isConnected || !this.vault) return;
    const vault = this.vault;
    const change = () => this.changed();
    const unsubscribe = vault.subscribe(() => this.requestUpdate());
    vault.addEventListener("change", change);
    vault.addEventListener("unlock", change);
    this.#unsubscribe = () => {
      unsubscribe();
      vault.removeEventListener("change", change);
      vault.removeEventListener("unlock", change);
    };
    this.changed();
  }

  /** The vault's contents changed: here or in another tab. */
  protected changed(): void {}

  protected get text(): Strings {
    return language.strings;
  }

  /** The part's frame: a card with a title, or nothing around `content` where there is one already. */
  protected section(title: string, content: unknown): TemplateResult {
    if (this.bare) return html`<div class="stack">${content}</div>`;
    return html`<section class="card" part="card" aria-labelledby="title"><h2 id="title" tabindex="-1">${title}</h2>${content}</section>`;
  }

  /** Reads something of the open vault; a vault that locks meanwhile is no failure. */
  protected async load<T>(read: (vault: Vault) => Promise<T>): Promise<T | undefined> {
    const { vault } = this;
    if (vault?.state !== "unlocked") return undefined;
    try {
      return await read(vault);
    } catch (thrown) {
      if (vault.state === "unlocked") this.problem = problemOf(thrown);
      return undefined;
    }
  }

  /** How people call a key's provider. */
  protected providerName(id: string): string {
    return this.vault?.providers().find((provider) => provider.id === id)?.name ?? id;
  }

  /** How people call a key. The vault's own names begin with the provider's and need not be told twice. */
  protected keyName({ provider, name }: { provider: string; name: string }): string {
    if (provider === "") return this.text.keys.damaged;
    const called = this.providerName(provider);
    return name === "" || name.startsWith(called) ? name || called : `${called}: ${name}`;
  }

  /** Says it to screen readers; parts show it where they put {@link live}. */
  protected say(words: string): void {
    this.said = words;
  }

  /**
   * Runs one task. Its failure becomes an error of the field it names, where
   * this part has that field, else the part's problem. Tells whether it went well.
   */
  protected async run(work: () => Promise<void>, fields: readonly string[] = []): Promise<boolean> {
    if (this.busy) return false;
    this.busy = true;
    this.problem = null;
    this.errors = {};
    this.said = "";
    try {
      await work();
      return true;
    } catch (thrown) {
      const { field } = (thrown ?? {}) as { field?: string };
      const problem = problemOf(thrown);
      if (field && fields.includes(field)) this.fail(field, problem);
      else this.problem = problem;
      return false;
    } finally {
      this.busy = false;
    }
  }

  /** Shows a field's error and moves the keyboard there. */
  protected fail(field: string, problem: Problem): void {
    this.errors = { ...this.errors, [field]: problem };
    void this.updateComplete.then(() => {
      this.renderRoot.querySelector<HTMLElement>(`[name="${field}"]`)?.focus();
    });
  }

  protected missing(field: string, words: string): void {
    this.errors = {};
    this.fail(field, { code: "empty", title: words, next: "" });
  }

  /** Asks for the vault's password. */
  protected passwordField(testId: string, name = "password"): TemplateResult {
    const { password: label, passwordHint: hint } = this.text;
    return secretField({ name, label, hint, autocomplete: "current-password", error: this.errors[name], testId });
  }

  /** The part's problem, announced when it appears. */
  protected problems(): TemplateResult | typeof nothing {
    if (!this.problem) return nothing;
    const { code, title, next } = this.problem;
    return html`<div class="problem" part="problem" role="alert" data-testid="error-message" data-code=${code}>
      <strong>${title}</strong><span>${next}</span>
      ${RELOAD.has(code)
        ? html`<button type="button" class="button small" @click=${() => location.reload()}>${this.text.actions.reload}</button>`
        : nothing}
    </div>`;
  }

  /** What has been said, visible and announced. */
  protected live(): TemplateResult {
    return html`<p class="note" role="status" data-testid="said">${this.said}</p>`;
  }

  protected date(time: number): string {
    return new Date(time).toLocaleDateString(language.tag, { year: "numeric", month: "short", day: "numeric" });
  }

  protected money(usd: number): string {
    const small = usd > 0 && usd < 0.01;
    return usd.toLocaleString(language.tag, {
      style: "currency",
      currency: "USD",
      minimumFractionDigits: 2,
      maximumFractionDigits: small ? 6 : 2,
    });
  }
}

/** Words for anything a method of the vault rejected with. */
export function problemOf(thrown: unknown): Problem {
  const { code } = (thrown ?? {}) as { code?: unknown };
  const { problems, connect, unexpected } = language.strings;
  if (typeof code !== "string") return { ...unexpected, code: "unexpected" };
  // What the relay answers to a sign-in comes beside the vault's own codes.
  const known = Object.hasOwn(problems, code) ? problems[code as ErrorCode] : Object.hasOwn(connect.problems, code) ? connect.problems[code] : undefined;
  return { ...(known ?? unexpected), code };
}
