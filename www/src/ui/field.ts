/** A labelled form field with one line below it: a hint, replaced by an error when there is one. */
import { fill, h, uniqueId } from "../dom";
import type { Child } from "../dom";

export type Control = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement;

export class Field<C extends Control = HTMLInputElement> {
  readonly root: HTMLElement;
  readonly control: C;
  readonly #note: HTMLElement;
  #hint: Child;

  constructor(options: { label: string; control: C; hint?: Child; after?: Child }) {
    this.control = options.control;
    this.#hint = options.hint;
    const id = uniqueId("field");
    this.control.id = id;
    this.#note = h("p", { class: "field__note", id: `${id}-note` }, this.#hint);
    this.control.setAttribute("aria-describedby", this.#note.id);
    this.root = h(
      "div",
      { class: "field" },
      h("label", { class: "field__label", for: id }, options.label),
      h("div", { class: "field__control" }, this.control, options.after),
      this.#note,
    );
    this.control.addEventListener("input", () => this.clearError());
  }

  get value(): string {
    return this.control.value;
  }

  set value(value: string) {
    this.control.value = value;
  }

  setHint(hint: Child): void {
    this.#hint = hint;
    if (!this.#invalid) fill(this.#note, hint);
  }

  /** Shows an error in the hint's place, so that nothing below it moves. */
  setError(message: string, code: string): void {
    this.control.setAttribute("aria-invalid", "true");
    this.#note.classList.add("field__note--error");
    this.#note.dataset["testid"] = "error-message";
    this.#note.dataset["code"] = code;
    fill(this.#note, message);
  }

  clearError(): void {
    if (!this.#invalid) return;
    this.control.removeAttribute("aria-invalid");
    this.#note.classList.remove("field__note--error");
    delete this.#note.dataset["testid"];
    delete this.#note.dataset["code"];
    fill(this.#note, this.#hint);
  }

  get #invalid(): boolean {
    return this.control.hasAttribute("aria-invalid");
  }
}
