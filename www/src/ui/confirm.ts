/** Asks before something that cannot be taken back. */
import { h, uniqueId } from "../dom";

export interface Confirmation {
  readonly title: string;
  readonly text: string;
  readonly accept: string;
  readonly cancel: string;
  readonly testId: string;
}

/** Resolves true only when accepted; Escape and cancel keep everything. The browser gives focus back. */
export function confirm(options: Confirmation): Promise<boolean> {
  const title = uniqueId("dialog");
  // Cancel first, hence focused first: the safe answer is one Enter away.
  const dialog = h(
    "dialog",
    { class: "dialog", "aria-labelledby": title, "aria-describedby": `${title}-text` },
    h("h2", { id: title }, options.title),
    h("p", { id: `${title}-text` }, options.text),
    h(
      "form",
      { method: "dialog", class: "dialog__buttons" },
      h("button", { class: "button", value: "cancel", "data-testid": `${options.testId}-cancel` }, options.cancel),
      h("button", { class: "button button--danger", value: "accept", "data-testid": `${options.testId}-confirm` }, options.accept),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "accept");
    });
  });
}
