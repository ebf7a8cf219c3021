/** First visit: choose the password of a new vault. */
import { h, setText } from "../dom";
import { ENOUGH_CHARACTERS, strength } from "../password-strength";
import { fromVault } from "../problem";
import { strings } from "../strings";
import { identityField, taskForm } from "../ui/form";
import { ProblemSlot } from "../ui/problem-panel";
import { SecretField } from "../ui/secret-field";
import type { View } from "./view";

/** `create` makes the vault; its rejection is shown at the field it blames. */
export function createView(create: (password: string) => Promise<void>): View {
  const text = strings.create;
  const problem = new ProblemSlot();
  const password = new SecretField({
    label: text.password,
    testId: "create-password",
    autocomplete: "new-password",
    hint: text.hint,
  });
  const repeat = new SecretField({
    label: text.repeat,
    testId: "create-password-repeat",
    autocomplete: "new-password",
    hint: text.repeatHint,
  });
  const meter = strengthMeter(password.control);
  const button = h("button", { class: "button button--primary", "data-testid": "create-submit" }, text.submit);

  const submit = async (): Promise<void> => {
    problem.clear();
    if (password.value === "") {
      password.setError(text.empty, "empty");
      return password.control.focus();
    }
    if (password.value !== repeat.value) {
      repeat.setError(text.mismatch, "mismatch");
      return repeat.control.focus();
    }
    try {
      await create(password.value);
      password.reset();
      repeat.reset();
    } catch (error) {
      const found = fromVault(error);
      if (found.field === "password" || found.code === "weak_password") {
        password.setError(`${found.title} ${found.next}`, found.code);
        password.control.focus();
      } else {
        problem.show(found);
      }
    }
  };

  const root = h(
    "section",
    { class: "card card--narrow", "aria-labelledby": "create-title" },
    h("h1", { id: "create-title" }, text.title),
    h("p", { class: "lead" }, text.lead),
    taskForm(
      { class: "form" },
      button,
      submit,
      identityField(text.identity),
      password.root,
      meter,
      repeat.root,
      problem.root,
      h("div", { class: "form__buttons" }, button),
    ),
  );
  return {
    root,
    focus: () => password.control.focus(),
    dispose: () => {
      password.reset();
      repeat.reset();
    },
  };
}

function strengthMeter(input: HTMLInputElement): HTMLElement {
  const text = strings.create;
  const meter = h("meter", { min: 0, max: 4, low: 2, high: 3, optimum: 4, value: 0, "aria-label": text.strength });
  const words = h("span", { class: "strength__words" }, text.strengthNames[0]);
  input.addEventListener("input", () => {
    const score = strength(input.value);
    meter.value = score;
    const enough = [...input.value].length >= ENOUGH_CHARACTERS;
    setText(words, score >= 2 && !enough ? text.tooShort(text.strengthNames[score]) : text.strengthNames[score]);
  });
  return h("div", { class: "strength" }, meter, words);
}
