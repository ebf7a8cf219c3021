/** A field whose text is masked until the person asks to see it. */
import { h, setText } from "../dom";
import type { Child } from "../dom";
import { strings } from "../strings";
import { Field } from "./field";

export interface SecretOptions {
  readonly label: string;
  readonly testId: string;
  readonly autocomplete: "new-password" | "current-password" | "off";
  readonly hint?: Child;
}

export class SecretField extends Field {
  readonly #toggle: HTMLButtonElement;

  constructor(options: SecretOptions) {
    const input = h("input", {
      type: "password",
      autocomplete: options.autocomplete,
      autocapitalize: "none",
      autocorrect: "off",
      spellcheck: "false",
      "data-testid": options.testId,
      class: "secret__input",
    });
    const toggle = h(
      "button",
      { type: "button", class: "secret__toggle", "aria-pressed": "false", "aria-label": strings.secret.showField(options.label) },
      strings.secret.show,
    );
    super({ label: options.label, control: input, hint: options.hint, after: toggle });
    this.#toggle = toggle;
    toggle.addEventListener("click", () => this.#show(input.type === "password"));
  }

  /** Empties and masks it: nothing typed stays in the document after use. */
  reset(): void {
    this.value = "";
    this.clearError();
    this.#show(false);
  }

  #show(shown: boolean): void {
    this.control.type = shown ? "text" : "password";
    this.#toggle.setAttribute("aria-pressed", String(shown));
    setText(this.#toggle, shown ? strings.secret.hide : strings.secret.show);
  }
}
