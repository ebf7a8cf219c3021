import { css, html } from "lit";
import { Part } from "../base/part.js";
import { saveFile } from "../base/save-file.js";
import { styles } from "../base/styles.js";

/** Shows a recovery code, once, until the person says that it is kept. */
export class RecoveryCode extends Part {
  static override styles = [
    styles,
    css`
      .code {
        padding: 0.75rem 1rem;
        border: 1px dashed var(--line-strong);
        border-radius: var(--radius);
        background: var(--soft);
        font-size: 1.125rem;
        line-height: 1.7;
        letter-spacing: 0.04em;
        user-select: all;
      }
      @media print {
        button,
        .tick,
        .note {
          display: none;
        }
      }
    `,
  ];
  static override properties = { code: { attribute: false }, unconfirmed: { state: true } };

  declare code: string;
  declare unconfirmed: boolean;
  /** Called when it is kept. */
  done: () => void = () => undefined;

  readonly #guard = (event: BeforeUnloadEvent): void => event.preventDefault();

  constructor() {
    super();
    this.code = "";
    this.unconfirmed = false;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    // A reload now would lose the code for good.
    addEventListener("beforeunload", this.#guard);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    removeEventListener("beforeunload", this.#guard);
    this.code = "";
  }

  protected override firstUpdated(): void {
    this.renderRoot.querySelector("h1")?.focus();
  }

  protected override render() {
    const text = this.text.recovery;
    return html`<section class="card" part="card" aria-labelledby="title">
      <h1 id="title" tabindex="-1">${text.title}</h1>
      <p class="lead">${text.lead}</p>
      <p class="label" id="label">${text.code}</p>
      <code class="code" role="group" aria-labelledby="label" data-testid="recovery-code">${this.code}</code>
      <div class="row">
        <button type="button" class="button small" @click=${this.#copy}>${text.copy}</button>
        <button type="button" class="button small" @click=${() => saveFile(text.file, `${this.code}\n`, "text/plain")}>${text.download}</button>
        <button type="button" class="button small" @click=${() => print()}>${text.print}</button>
      </div>
      <p class="note">${text.advice}</p>
      ${this.live()}
      <form class="stack" novalidate @submit=${this.#submit}>
        <label class="tick">
          <input type="checkbox" name="kept" data-testid="recovery-confirm" aria-describedby="kept-note" aria-invalid=${this.unconfirmed ? "true" : "false"} />
          <span>${text.confirm}</span>
        </label>
        <p id="kept-note" class="note error" role="alert">${this.unconfirmed ? text.confirmFirst : ""}</p>
        <div class="row"><button class="button primary" data-testid="recovery-saved">${text.done}</button></div>
      </form>
    </section>`;
  }

  readonly #copy = async (): Promise<void> => {
    const { copied, copyFailed } = this.text.recovery;
    try {
      await navigator.clipboard.writeText(this.code);
      this.say(copied);
    } catch {
      this.say(copyFailed);
      const code = this.renderRoot.querySelector("code");
      if (code) getSelection()?.selectAllChildren(code);
    }
  };

  readonly #submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const kept = (event.currentTarget as HTMLFormElement).elements.namedItem("kept") as HTMLInputElement;
    this.unconfirmed = !kept.checked;
    if (kept.checked) this.done();
    else kept.focus();
  };
}
