/** A form that runs one task at a time and shows that it is running. */
import { h } from "../dom";
import type { Child } from "../dom";

/**
 * `submit` runs on Enter and on the button. While it runs a second submit does nothing; the button
 * stays focusable, because a disabled one would drop the keyboard's place.
 */
export function taskForm(
  attributes: { class?: string; "aria-labelledby"?: string; "aria-label"?: string },
  submitButton: HTMLButtonElement,
  submit: () => Promise<void>,
  ...children: Child[]
): HTMLFormElement {
  let running = false;
  const form = h("form", { novalidate: true, ...attributes }, ...children);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (running) return;
    running = true;
    submitButton.setAttribute("aria-disabled", "true");
    void submit().finally(() => {
      running = false;
      submitButton.removeAttribute("aria-disabled");
    });
  });
  return form;
}

/**
 * Password managers file an entry under a user name; without a field for it they invent one
 * (https://www.chromium.org/developers/design-documents/create-amazing-password-forms/).
 */
export function identityField(name: string): HTMLInputElement {
  return h("input", {
    type: "text",
    autocomplete: "username",
    value: name,
    readonly: true,
    tabindex: -1,
    "aria-hidden": "true",
    class: "visually-hidden",
  });
}
