/**
 * The page's live regions. They are in the document from the start, because regions inserted
 * together with their text are not announced.
 */
import { lastSentenceEnd } from "./chat/sentences";
import { h } from "./dom";

const status = h("p", { class: "visually-hidden", role: "status" });
const reading = h("div", { class: "visually-hidden", "aria-live": "polite", "aria-relevant": "additions" });

/** Put once into the document; not inside anything that gets hidden. */
export const liveRegions: readonly HTMLElement[] = [status, reading];

/** Says a short message at the next pause. */
export function announce(message: string): void {
  status.textContent = "";
  // A region whose text does not change is silent: the same message twice needs the empty step.
  requestAnimationFrame(() => {
    status.textContent = message;
  });
}

/** Reads streaming text aloud in whole sentences: word by word is unbearable in a screen reader. */
export class StreamReader {
  #pending = "";

  constructor() {
    reading.replaceChildren();
  }

  push(text: string): void {
    this.#pending += text;
    const end = lastSentenceEnd(this.#pending);
    if (end === 0) return;
    this.#say(this.#pending.slice(0, end));
    this.#pending = this.#pending.slice(end);
  }

  finish(): void {
    this.#say(this.#pending);
    this.#pending = "";
  }

  #say(text: string): void {
    const sentence = text.trim();
    if (sentence !== "") reading.append(h("p", {}, sentence));
  }
}
