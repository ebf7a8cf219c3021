/** Where a message is written, sent and its answer stopped. */
import { h, uniqueId } from "../dom";
import { strings } from "../strings";

export interface Composer {
  readonly root: HTMLElement;
  focus(): void;
  /** Puts the keyboard on Stop, when what was focused has gone. */
  focusRunning(): void;
  setRunning(running: boolean): void;
}

/** `send` returns false to keep the text, when the message cannot go out as things are. */
export function chatComposer(handlers: { send(question: string): boolean; stop(): void; clear(): void }): Composer {
  const text = strings.chat;
  const id = uniqueId("message");
  const input = h("textarea", {
    id,
    class: "composer__input",
    rows: 2,
    dir: "auto",
    placeholder: text.placeholder,
    enterkeyhint: "send",
    "aria-describedby": `${id}-note`,
    "data-testid": "chat-input",
  });
  const note = h("p", { class: "field__note composer__note", id: `${id}-note` }, text.inputHint);
  const send = h("button", { class: "button button--primary", "data-testid": "chat-send" }, text.send);
  const stop = h("button", { type: "button", class: "button", hidden: true, "data-testid": "chat-stop", onclick: handlers.stop }, text.stop);
  const clear = h("button", { type: "button", class: "composer__clear", onclick: handlers.clear, "data-testid": "chat-clear" }, text.clear);
  let running = false;

  const setNote = (error: boolean): void => {
    note.classList.toggle("field__note--error", error);
    note.textContent = error ? text.emptyInput : text.inputHint;
    input.toggleAttribute("aria-invalid", error);
    if (error) {
      note.dataset["testid"] = "error-message";
      note.dataset["code"] = "empty";
      input.setAttribute("aria-invalid", "true");
    } else {
      delete note.dataset["testid"];
      delete note.dataset["code"];
    }
  };

  const form = h("form", { class: "composer", novalidate: true }, h("label", { class: "visually-hidden", for: id }, text.input));
  form.append(input, h("div", { class: "composer__buttons" }, send, stop), note, clear);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    // Text typed during an answer waits there; Enter must not throw it away.
    if (running) return;
    const question = input.value.trim();
    setNote(question === "");
    if (question === "") return input.focus();
    if (handlers.send(question)) input.value = "";
  });
  input.addEventListener("input", () => {
    if (input.hasAttribute("aria-invalid")) setNote(false);
  });
  input.addEventListener("keydown", (event) => {
    // Enter that confirms an input method's suggestion is not meant for us.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });

  return {
    root: form,
    focus: () => input.focus(),
    focusRunning: () => (running ? stop : input).focus(),
    setRunning: (now) => {
      running = now;
      const [shown, gone] = now ? [stop, send] : [send, stop];
      const moveFocus = document.activeElement === gone;
      shown.hidden = false;
      if (moveFocus) shown.focus();
      gone.hidden = true;
    },
  };
}
