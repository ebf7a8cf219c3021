/** One answer: its text as it streams, how it ended, who paid. */
import { StreamReader, announce } from "../announce";
import type { Outcome, Receipt, Wire } from "../chat/ask";
import type { Cost } from "../chat/cost";
import { markdown } from "../chat/markdown";
import type { Sealing } from "../chat/sealing";
import { fill, h, setText } from "../dom";
import { count, money } from "../format";
import type { Problem } from "../problem";
import { strings } from "../strings";
import { problemPanel } from "../ui/problem-panel";
import type { ActionHandlers } from "../ui/problem-panel";

export class AnswerView {
  readonly root: HTMLElement;
  readonly #provider: string;
  #text = "";
  #frame = 0;
  readonly #body: HTMLElement;
  readonly #note = h("p", { class: "turn__note" });
  readonly #payer = h("bdi", { "data-testid": "chat-payer" });
  readonly #cost = h("span", { "data-testid": "chat-cost" });
  readonly #wire = h("details", { class: "wire", hidden: true, "data-testid": "chat-wire" });
  readonly #problem = h("div", {});
  readonly #reader = new StreamReader();

  constructor(provider: string, model: string) {
    this.#provider = provider;
    this.#body = h("div", { class: "turn__text turn__text--answer", dir: "auto", "data-testid": "chat-output", "data-done": "false" });
    this.root = h(
      "article",
      { class: "turn turn--answer", "aria-busy": "true", "data-state": "waiting" },
      h("h2", { class: "turn__who" }, provider, h("span", { class: "turn__model" }, model)),
      this.#body,
      this.#problem,
      h("footer", { class: "turn__foot" }, h("p", { class: "turn__payer" }, this.#payer, this.#cost), this.#note),
      this.#wire,
    );
    setText(this.#note, strings.chat.waiting);
  }

  append(text: string): void {
    if (this.root.dataset["state"] !== "streaming") {
      this.root.dataset["state"] = "streaming";
      setText(this.#note, "");
      announce(strings.chat.started(this.#provider));
    }
    this.#text += text;
    // Once per picture: a fast model sends more pieces than anyone sees.
    this.#frame ||= requestAnimationFrame(() => this.#draw());
    this.#reader.push(text);
  }

  #draw(): void {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.#body.replaceChildren(markdown(this.#text));
  }

  showCost({ tokens, usd, estimated }: Cost): void {
    setText(this.#cost, strings.chat.cost(count(tokens), usd > 0 ? money(usd) : "", estimated));
  }

  showReceipt(receipt: Receipt, provider: string): void {
    const text = strings.chat;
    const words = { user: text.paidByUser, server: text.paidByServer, unknown: text.paidByUnknown };
    this.#payer.dataset["paidBy"] = receipt.paidBy ?? "unknown";
    setText(this.#payer, words[receipt.paidBy ?? "unknown"](provider));
  }

  /** What travelled, and the form in which the key did: in a header that this page cannot see. */
  showWire({ sent, received }: Wire, sealing: Sealing | null): void {
    const text = strings.chat.wire;
    this.#wire.hidden = false;
    fill(
      this.#wire,
      h("summary", {}, text.title),
      h("h3", {}, text.sent),
      h("pre", { tabindex: 0, dir: "ltr" }, sent),
      h("h3", {}, text.added),
      ...(sealing ? sealedKey(sealing) : [h("p", {}, h("code", { dir: "ltr" }, "X-BYOK-Key: ••••••"), " ", text.plain)]),
      h("h3", {}, text.received),
      h("pre", { tabindex: 0, dir: "ltr" }, received),
    );
  }

  finish(outcome: Exclude<Outcome, { kind: "failed" }>): void {
    const text = strings.chat;
    if (outcome.kind === "stopped") {
      this.#end("stopped", text.stopped);
      announce(text.stoppedNow);
      return;
    }
    const notes = { complete: "", length: text.length, filtered: text.filtered };
    this.#end("finished", notes[outcome.reason]);
    announce(notes[outcome.reason] || text.finished);
  }

  /** Keeps what has arrived and says below it what happened. */
  fail(problem: Problem, handlers: ActionHandlers, again: () => void): void {
    this.#end("failed", "");
    const panel = problemPanel(problem, handlers);
    // Whatever else helps first, asking again is always the second step.
    if (problem.action !== "retry" && problem.action !== null) {
      panel.append(
        h("button", { type: "button", class: "button button--small", "data-action": "retry", onclick: again }, strings.actions.retry),
      );
    }
    fill(this.#problem, panel);
  }

  /** Once a newer answer runs, the buttons of an older failure would act on the wrong one. */
  disableActions(): void {
    for (const button of this.#problem.querySelectorAll("button")) button.remove();
  }

  #end(state: "finished" | "stopped" | "failed", note: string): void {
    this.root.dataset["state"] = state;
    this.root.removeAttribute("aria-busy");
    this.#body.dataset["done"] = "true";
    setText(this.#note, note);
    this.#draw();
    this.#body.hidden = this.#text === "";
    this.#reader.finish();
  }
}

/** The sealed header's form with what is public of it. The header itself could be spent once more, so it never comes here. */
function sealedKey({ kid }: Sealing): Node[] {
  const { sealed, parts } = strings.chat.wire;
  const rows: [string, string][] = [
    ["kf1", parts.scheme],
    [kid, parts.kid],
    ["enc", parts.enc],
    ["ts", parts.ts],
    ["nonce", parts.nonce],
    ["ciphertext", parts.ciphertext],
  ];
  const hidden = (name: string): Node => h("span", { class: "wire__hidden" }, `‹${name}›`);
  const header = h("code", { dir: "ltr", "data-testid": "chat-sealed" }, "X-BYOK-Key: kf1.", kid);
  for (const name of ["enc", "ts", "nonce", "ciphertext"]) header.append(".", hidden(name));
  return [
    h("p", {}, sealed),
    h("p", { class: "wire__header" }, header),
    h("dl", { class: "wire__parts" }, ...rows.flatMap(([name, what]) => [h("dt", {}, h("code", { dir: "ltr" }, name)), h("dd", {}, what)])),
  ];
}
