/** Opens a locked vault with its password or its recovery code. */
import { announce } from "../announce";
import { fill, h, setText } from "../dom";
import { fromVault } from "../problem";
import { strings } from "../strings";
import { identityField, taskForm } from "../ui/form";
import { ProblemSlot } from "../ui/problem-panel";
import { SecretField } from "../ui/secret-field";
import type { Vault } from "../vault";
import type { View } from "./view";

/** Deriving the key takes a tenth of a second: whoever waits this long should be told why. */
const SLOW_AFTER_MS = 1500;

export function unlockView(vault: Vault): View {
  const text = strings.unlock;
  const problem = new ProblemSlot();
  const password = new SecretField({
    label: text.password,
    testId: "unlock-password",
    autocomplete: "current-password",
    hint: text.hint,
  });
  const code = new SecretField({ label: text.code, testId: "unlock-recovery-code", autocomplete: "off", hint: text.codeHint });
  const button = h("button", { class: "button button--primary", "data-testid": "unlock-submit" }, text.submit);
  const place = h("div", {}, password.root);
  let field = password;

  const swap = h("button", { type: "button", class: "button button--link", "data-testid": "unlock-swap" }, text.useCode);
  swap.addEventListener("click", () => {
    field.reset();
    problem.clear();
    field = field === password ? code : password;
    fill(place, field.root);
    setText(swap, field === password ? text.useCode : text.usePassword);
    field.control.focus();
  });

  const submit = async (): Promise<void> => {
    // Fixed for this attempt: the other field can be chosen while it runs.
    const used = field;
    const isPassword = used === password;
    problem.clear();
    if (used.value.trim() === "") {
      used.setError(isPassword ? text.emptyPassword : text.emptyCode, "empty");
      return used.control.focus();
    }
    // The vault answers slowly on purpose after wrong passwords.
    const slow = setTimeout(() => {
      used.setHint(text.slow);
      announce(text.slow);
    }, SLOW_AFTER_MS);
    try {
      await vault.unlock(isPassword ? { password: used.value } : { recoveryCode: used.value });
      used.reset();
    } catch (error) {
      const found = fromVault(error);
      if (found.field === "password" || found.field === "recoveryCode") {
        used.setError(`${found.title} ${found.next}`, found.code);
        used.control.select();
      } else {
        problem.show(found);
      }
    } finally {
      clearTimeout(slow);
      used.setHint(isPassword ? text.hint : text.codeHint);
    }
  };

  const root = h(
    "section",
    { class: "card card--narrow", "aria-labelledby": "unlock-title" },
    h("h1", { id: "unlock-title" }, text.title),
    h("p", { class: "lead" }, text.lead),
    taskForm(
      { class: "form" },
      button,
      submit,
      identityField(strings.create.identity),
      place,
      problem.root,
      h("div", { class: "form__buttons" }, button, swap),
    ),
  );
  return {
    root,
    focus: () => field.control.focus(),
    dispose: () => {
      password.reset();
      code.reset();
    },
  };
}
