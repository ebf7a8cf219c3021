import { html } from "lit";
import type { Settings } from "../../types.js";
import { clear, identity, secretOf, textField, valueOf } from "../base/fields.js";
import { Part } from "../base/part.js";

/** When the vault locks, and its end. */
export class Preferences extends Part {
  static override properties = { settings: { state: true } };

  declare settings: Settings | null;

  constructor() {
    super();
    this.settings = null;
  }

  protected override changed(): void {
    void this.load((vault) => vault.settings()).then((settings) => {
      if (settings) this.settings = settings;
    });
  }

  protected override render() {
    const text = this.text.preferences;
    return this.section(
      text.title,
      html`<form class="stack" novalidate @submit=${this.#save}>
          ${textField({
            name: "autoLockMinutes",
            label: text.minutes,
            hint: text.minutesHint,
            type: "number",
            min: "1",
            max: "1440",
            step: "1",
            value: this.settings ? String(this.settings.autoLockMinutes) : "",
            error: this.errors["autoLockMinutes"],
            testId: "lock-minutes",
          })}
          <label class="tick"><input type="checkbox" name="onHide" .checked=${this.settings?.lockOnHide ?? false} /><span>${text.onHide}</span></label>
          ${identity()}
          ${this.passwordField("preferences-password")}
          ${this.problems()}
          <div class="row"><button class="button" data-testid="preferences-save" aria-disabled=${this.busy}>${this.text.save}</button></div>
          ${this.live()}
        </form>
        <details>
          <summary data-testid="destroy">${text.destroy}</summary>
          <form class="stack" novalidate @submit=${this.#destroy}>
            <p class="notice">${text.destroyHint}</p>
            ${textField({ name: "word", label: text.destroyConfirm(text.destroyWord), error: this.errors["word"], testId: "destroy-word" })}
            <div class="row"><button class="button danger" data-testid="destroy-submit">${text.destroySubmit}</button></div>
          </form>
        </details>`,
    );
  }

  readonly #save = (event: SubmitEvent): void => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    if (valueOf(form, "password") === "") return this.missing("password", this.text.passwordMissing);
    const autoLockMinutes = Number(valueOf(form, "autoLockMinutes"));
    const lockOnHide = (form.elements.namedItem("onHide") as HTMLInputElement).checked;
    void this.run(async () => {
      this.settings = (await this.vault?.settings({ password: secretOf(form, "password"), autoLockMinutes, lockOnHide })) ?? null;
      clear(form);
      this.say(this.text.preferences.saved);
    }, ["password", "autoLockMinutes"]);
  };

  readonly #destroy = (event: SubmitEvent): void => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const { destroyWord, destroyConfirm } = this.text.preferences;
    if (valueOf(form, "word").trim() !== destroyWord) return this.missing("word", destroyConfirm(destroyWord));
    void this.run(async () => void (await this.vault?.destroy()));
  };
}
