import { html, type TemplateResult } from "lit";
import { secretField, valueOf, type FieldOptions } from "../base/fields.js";
import { ENOUGH_CHARACTERS, strength } from "../base/strength.js";
import { language } from "../strings/index.js";
import type { Problem } from "../base/part.js";

/** A new password, typed twice, with a meter for what is `typed`, which the part keeps. */
export function newPassword(options: {
  field: Pick<FieldOptions, "name" | "label" | "testId"> & { hint: string };
  errors: { readonly [field: string]: Problem };
  typed: string;
  onInput: (typed: string) => void;
}): TemplateResult {
  const { field, errors, typed, onInput } = options;
  const text = language.strings.create;
  const score = strength(typed);
  const words = text.strengths[score] ?? "";
  const short = score >= 2 && [...typed].length < ENOUGH_CHARACTERS;
  return html`${secretField({
      ...field,
      autocomplete: "new-password",
      error: errors[field.name],
      input: ({ currentTarget }) => onInput((currentTarget as HTMLInputElement).value),
    })}
    <div class="row">
      <meter min="0" max="4" low="2" high="3" optimum="4" .value=${score} aria-label=${text.strength}></meter>
      <span class="muted">${short ? text.short(words) : words}</span>
    </div>
    ${secretField({
      name: repeatOf(field.name),
      label: text.repeat,
      hint: text.repeatHint,
      autocomplete: "new-password",
      error: errors[repeatOf(field.name)],
      testId: `${field.testId}-repeat`,
    })}`;
}

/** What is wrong with the two fields, or null. */
export function judgeNewPassword(form: HTMLFormElement, name: string): { field: string; words: string } | null {
  const text = language.strings.create;
  const typed = valueOf(form, name);
  if (typed === "") return { field: name, words: text.empty };
  const repeat = repeatOf(name);
  return typed === valueOf(form, repeat) ? null : { field: repeat, words: text.mismatch };
}

function repeatOf(name: string): string {
  return `${name}Repeat`;
}
