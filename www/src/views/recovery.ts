/** Shows the recovery code of a new vault, once. */
import { announce } from "../announce";
import { h, setText } from "../dom";
import { strings } from "../strings";
import type { View } from "./view";

export function recoveryView(code: string, onSaved: () => void): View {
  const text = strings.recovery;
  const title = h("h1", { id: "recovery-title", tabindex: -1 }, text.title);
  const output = h("code", { class: "recovery__code", id: "recovery-code", "data-testid": "recovery-code" }, code);
  const note = h("p", { class: "field__note" }, text.advice);

  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(code);
      setText(copyButton, text.copied);
      announce(text.copied);
    } catch {
      setText(note, text.copyFailed);
      getSelection()?.selectAllChildren(output);
    }
  };
  const copyButton = h("button", { type: "button", class: "button button--steady", onclick: () => void copy() }, text.copy);

  // A reload now would lose the code for good.
  const guard = (event: BeforeUnloadEvent): void => event.preventDefault();
  addEventListener("beforeunload", guard);
  const release = (): void => removeEventListener("beforeunload", guard);

  const saved = h(
    "button",
    {
      type: "button",
      class: "button button--primary",
      "data-testid": "recovery-saved",
      onclick: () => {
        release();
        onSaved();
      },
    },
    text.saved,
  );

  const root = h(
    "section",
    { class: "card card--narrow", "aria-labelledby": title.id },
    title,
    h("p", { class: "lead" }, text.lead),
    h("p", { class: "field__label", id: "recovery-label" }, text.code),
    h("div", { class: "recovery", role: "group", "aria-labelledby": "recovery-label" }, output, copyButton),
    note,
    h("div", { class: "form__buttons" }, saved),
  );
  return {
    root,
    focus: () => title.focus(),
    dispose: () => {
      release();
      output.textContent = "";
    },
  };
}
