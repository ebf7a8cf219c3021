import { html, nothing, type TemplateResult } from "lit";
import { ifDefined } from "lit/directives/if-defined.js";
import { language } from "../strings/index.js";
import type { Problem } from "./part.js";

export interface FieldOptions {
  /** Also the vault's name for it, by which it reports errors. */
  readonly name: string;
  readonly label: string;
  readonly hint?: unknown;
  readonly error?: Problem | undefined;
  readonly testId?: string;
}

/** Label, control, and one line below it: a hint, replaced by an error when there is one. */
export function field(options: FieldOptions, control: (id: string, note: string, invalid: "true" | undefined) => unknown): TemplateResult {
  const { name, label, hint, error, testId } = options;
  // Two forms of one part may have fields of one name.
  const id = `field-${testId ?? name}`;
  const note = `${id}-note`;
  return html`<div class="field" part="field">
    <label for=${id}>${label}</label>
    <div class="control">${control(id, note, error ? "true" : undefined)}</div>
    <p id=${note} class="note ${error ? "error" : ""}" data-testid=${error ? "error-message" : nothing} data-code=${error?.code ?? nothing}>
      ${error ? `${error.title} ${error.next}` : (hint ?? nothing)}
    </p>
  </div>`;
}

export interface TextOptions extends FieldOptions {
  readonly type?: "text" | "number" | "date" | "search";
  readonly value?: string;
  readonly autocomplete?: string;
  readonly min?: string;
  readonly max?: string;
  readonly step?: string;
  readonly input?: (event: InputEvent) => void;
}

export function textField(options: TextOptions): TemplateResult {
  const { name, type = "text", value = "", autocomplete = "off", testId, min, max, step, input } = options;
  return field(
    options,
    (id, note, invalid) => html`<input
      id=${id}
      name=${name}
      type=${type}
      .value=${value}
      autocomplete=${autocomplete as AutoFill}
      autocapitalize="none"
      spellcheck="false"
      min=${ifDefined(min)}
      max=${ifDefined(max)}
      step=${ifDefined(step)}
      aria-describedby=${note}
      aria-invalid=${ifDefined(invalid)}
      data-testid=${ifDefined(testId)}
      @input=${input ?? nothing}
    />`,
  );
}

export interface SecretOptions extends FieldOptions {
  readonly autocomplete: "new-password" | "current-password" | "off";
  readonly input?: (event: InputEvent) => void;
}

/** Masked until the person asks to see it. Its text stays in the input: no copy is kept in the element's state. */
export function secretField(options: SecretOptions): TemplateResult {
  const { name, label, autocomplete, testId, input } = options;
  const { show, showField } = language.strings;
  return field(
    options,
    (id, note, invalid) => html`<input
        id=${id}
        name=${name}
        type="password"
        autocomplete=${autocomplete}
        autocapitalize="none"
        spellcheck="false"
        dir="ltr"
        aria-describedby=${note}
        aria-invalid=${ifDefined(invalid)}
        data-testid=${ifDefined(testId)}
        @input=${input ?? nothing}
      />
      <button type="button" class="button small" aria-pressed="false" aria-label=${showField(label)} @click=${toggle}>${show}</button>`,
  );
}

function toggle({ currentTarget }: MouseEvent): void {
  const button = currentTarget as HTMLButtonElement;
  const input = button.previousElementSibling as HTMLInputElement;
  const shown = input.type === "password";
  input.type = shown ? "text" : "password";
  button.setAttribute("aria-pressed", String(shown));
  // The words stay as they are: a pressed “Show” needs no second label.
}

/** The value of a control of this form. */
export function valueOf(form: HTMLFormElement, name: string): string {
  const control = form.elements.namedItem(name);
  return control instanceof HTMLInputElement || control instanceof HTMLSelectElement || control instanceof HTMLTextAreaElement
    ? control.value
    : "";
}

/** A secret, as the field has it: bytes made of it here would be a copy more, and the caller's to wipe. */
export function secretOf(form: HTMLFormElement, name: string): string {
  return valueOf(form, name);
}

/** Empties every field and masks what was shown. */
export function clear(form: HTMLFormElement): void {
  form.reset();
  for (const button of form.querySelectorAll<HTMLButtonElement>('button[aria-pressed="true"]')) button.click();
}

/**
 * Password managers file an entry under a user name; without a field for it they invent one
 * (https://www.chromium.org/developers/design-documents/create-amazing-password-forms/).
 */
export function identity(): TemplateResult {
  return html`<input
    class="quiet"
    type="text"
    autocomplete="username"
    value="Keyferry"
    readonly
    tabindex="-1"
    aria-hidden="true"
  />`;
}
