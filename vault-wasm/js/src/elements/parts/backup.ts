import { html } from "lit";
import { clear, field, identity, secretField, secretOf, valueOf } from "../base/fields.js";
import { Part } from "../base/part.js";
import { saveFile } from "../base/save-file.js";
import { judgeNewPassword, newPassword } from "./new-password.js";
import { keepPasskeys, keeps } from "./passkeys.js";

type Fields = readonly string[];

/** Backups, the password, the recovery code: what keeps a vault from being lost. */
export class Backup extends Part {
  static override properties = {
    typed: { state: true },
    hasPasskeys: { state: true },
    showCode: { attribute: false },
    savedAt: { state: true },
    cameByCode: { attribute: false },
    proof: { state: true },
  };

  /** By field, for the meters only. */
  declare typed: { readonly [field: string]: string };
  declare hasPasskeys: boolean;
  /** When a backup was last saved; undefined until it is known. */
  declare savedAt: number | null | undefined;
  /** Shows a new recovery code. */
  declare showCode: (code: string) => void;
  /** The person opened the vault with the recovery code: the password may be forgotten. */
  declare cameByCode: boolean;
  /** What the person would rather prove a change of the password with; null until they have said. */
  declare proof: "password" | "code" | null;

  constructor() {
    super();
    this.typed = {};
    this.cameByCode = false;
    this.proof = null;
    this.hasPasskeys = false;
    this.showCode = () => undefined;
  }

  protected override changed(): void {
    void this.load((vault) => vault.passkeys.list()).then((passkeys) => (this.hasPasskeys = (passkeys?.length ?? 0) > 0));
    void this.load((vault) => vault.settings()).then((settings) => (this.savedAt = settings?.exportedAt));
  }

  protected override render() {
    const text = this.text.backup;
    const persisted = this.vault?.getSnapshot().persisted;
    return this.section(
      text.title,
      html`<p class=${persisted ? "muted" : "notice"}>${persisted ? text.persisted : text.notPersisted}</p>
        <p class="muted" data-testid="backup-saved">
          ${this.savedAt === undefined ? this.text.loading : this.savedAt === null ? text.unsaved : text.savedOn(this.date(this.savedAt))}
        </p>
        ${this.problems()} ${this.live()}
        <details>
          <summary data-testid="backup-save">${text.save}</summary>
          <form class="stack" novalidate @submit=${this.#save}>
            <p class="muted">${text.saveHint}</p>
            ${identity()} ${this.passwordField("backup-own-password", "savePassword")}
            ${this.#newPassword("filePassword", text.filePassword, "backup-password")}
            <div class="row"><button class="button" data-testid="backup-submit" aria-disabled=${this.busy}>${text.download}</button></div>
          </form>
        </details>
        <details>
          <summary data-testid="backup-restore">${text.restore}</summary>
          <form class="stack" novalidate @submit=${this.#restore}>
            <p class="muted">${text.restoreHint}</p>
            ${field(
              { name: "file", label: text.choose, error: this.errors["file"] },
              (id, note) => html`<input id=${id} name="file" type="file" accept=".keyferry" aria-describedby=${note} data-testid="restore-file" />`,
            )}
            ${secretField({
              name: "restorePassword",
              label: text.filePassword,
              autocomplete: "current-password",
              error: this.errors["restorePassword"],
              testId: "restore-password",
            })}
            <div class="row"><button class="button" data-testid="restore-submit" aria-disabled=${this.busy}>${text.restoreSubmit}</button></div>
          </form>
        </details>
        <details ?open=${this.cameByCode}>
          <summary data-testid="password-change">${text.change}</summary>
          <form class="stack" novalidate @submit=${this.#change}>
            <p class="muted">${text.changeHint}</p>
            ${identity()}
            ${this.#byCode
              ? secretField({
                  name: "old",
                  label: this.text.unlock.code,
                  hint: this.text.unlock.codeHint,
                  autocomplete: "off",
                  error: this.errors["old"],
                  testId: "password-code",
                })
              : this.passwordField("password-old", "old")}
            ${this.#newPassword("next", text.next, "password-next")}
            ${keepPasskeys(this.text.passkeys.keep, this.hasPasskeys)}
            <div class="row">
              <button class="button" data-testid="password-submit" aria-disabled=${this.busy}>${text.changeSubmit}</button>
              <button type="button" class="button link" data-testid="password-swap" @click=${this.#swap}>
                ${this.#byCode ? this.text.unlock.usePassword : this.text.unlock.useCode}
              </button>
            </div>
          </form>
        </details>
        <details>
          <summary data-testid="recovery-renew">${text.renew}</summary>
          <form class="stack" novalidate @submit=${this.#renew}>
            <p class="muted">${text.renewHint}</p>
            ${identity()}
            ${this.passwordField("renew-password", "renewPassword")}
            ${keepPasskeys(this.text.passkeys.keep, this.hasPasskeys)}
            <div class="row"><button class="button" data-testid="renew-submit" aria-disabled=${this.busy}>${text.renewSubmit}</button></div>
          </form>
        </details>`,
    );
  }

  get #byCode(): boolean {
    return this.proof === null ? this.cameByCode : this.proof === "code";
  }

  #newPassword(name: string, label: string, testId: string) {
    return newPassword({
      field: { name, label, hint: this.text.create.hint, testId },
      errors: this.errors,
      typed: this.typed[name] ?? "",
      onInput: (typed) => (this.typed = { ...this.typed, [name]: typed }),
    });
  }

  /** Runs a form's task; what the vault calls `password` is called `field` here. */
  #submit(event: SubmitEvent, passwords: Fields, work: (form: HTMLFormElement) => Promise<void>): void {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const [first = "", next] = passwords;
    const byCode = first === "old" && this.#byCode;
    if (valueOf(form, first).trim() === "") return this.missing(first, byCode ? this.text.unlock.emptyCode : this.text.passwordMissing);
    const wrong = next ? judgeNewPassword(form, next) : null;
    if (wrong) return this.missing(wrong.field, wrong.words);
    void this.run(async () => {
      try {
        await work(form);
      } catch (thrown) {
        const { code } = (thrown ?? {}) as { code?: string };
        const wrong = code === "wrong_password" || code === "wrong_recovery_code";
        const field = code === "weak_password" ? (next ?? first) : wrong ? first : undefined;
        // What has no recovery code's checksum was taken for a password.
        const said = byCode && code === "wrong_password" ? "bad_recovery_code" : code;
        throw field ? Object.assign(new Error(), { code: said, field }) : thrown;
      }
      clear(form);
      this.typed = {};
    }, passwords);
  }

  readonly #save = (event: SubmitEvent): void =>
    this.#submit(event, ["savePassword", "filePassword"], async (form) => {
      const file = await this.vault?.export(secretOf(form, "filePassword"), secretOf(form, "savePassword"));
      if (!file) return;
      saveFile(this.text.backup.file, file, file.type);
      this.say(this.text.backup.downloaded);
    });

  readonly #restore = (event: SubmitEvent): void => {
    const { elements } = event.currentTarget as HTMLFormElement;
    const file = (elements.namedItem("file") as HTMLInputElement).files?.[0];
    if (!file) {
      event.preventDefault();
      return this.missing("file", this.text.backup.noFile);
    }
    this.#submit(event, ["restorePassword"], async (form) => {
      const done = await this.vault?.import(file, secretOf(form, "restorePassword"));
      if (done) this.say(this.text.backup.restored(done.added, done.known));
    });
  };

  readonly #swap = ({ currentTarget }: MouseEvent): void => {
    const { form } = currentTarget as HTMLButtonElement;
    if (form) clear(form);
    this.proof = this.#byCode ? "password" : "code";
    this.typed = {};
    this.errors = {};
    void this.updateComplete.then(() => form?.querySelector<HTMLElement>('[name="old"]')?.focus());
  };

  readonly #change = (event: SubmitEvent): void =>
    this.#submit(event, ["old", "next"], async (form) => {
      const changed = await this.vault?.changePassword(secretOf(form, "old"), secretOf(form, "next"), { passkeys: keeps(form) });
      if (changed) this.showCode(changed.recoveryCode);
    });

  readonly #renew = (event: SubmitEvent): void =>
    this.#submit(event, ["renewPassword"], async (form) => {
      const renewed = await this.vault?.recovery.renew(secretOf(form, "renewPassword"), { passkeys: keeps(form) });
      if (renewed) this.showCode(renewed.recoveryCode);
    });
}
