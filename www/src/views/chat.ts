/** The playground: questions to any provider, answers as they stream. */
import { announce } from "../announce";
import { ask } from "../chat/ask";
import type { Failure, Outcome } from "../chat/ask";
import { costMeter } from "../chat/cost";
import { sealingOf } from "../chat/sealing";
import { Conversation } from "../chat/conversation";
import type { Exchange } from "../chat/conversation";
import { fill, h } from "../dom";
import { fromRequest } from "../problem";
import type { Route } from "../providers";
import { strings } from "../strings";
import type { ActionHandlers } from "../ui/problem-panel";
import type { MessageFor, Provider, Snapshot, Vault } from "../vault";
import { AnswerView } from "./chat-answer";
import { chatComposer } from "./chat-composer";
import { modelChoice } from "./model-choice";
import type { View } from "./view";

export interface ChatView extends View {
  update(snapshot: Snapshot): void;
}

/** `openKeys` and `openUnlock` bring the person to where the problem is solved. */
export function chatView(vault: Vault, messageFor: MessageFor, goTo: { openKeys(provider?: string): void; openUnlock(): void }): ChatView {
  const text = strings.chat;
  const conversation = new Conversation();
  const title = h("h1", { id: "chat-title", tabindex: -1, class: "visually-hidden" }, text.title);
  // Reading aloud is done sentence by sentence in a live region of its own.
  const log = h("div", { class: "log", role: "log", "aria-live": "off", "aria-label": text.log, "data-testid": "chat-log" });
  const empty = h("div", { class: "log__empty" });
  const choice = modelChoice(vault);
  let running: AbortController | null = null;
  let retried: AnswerView | null = null;

  const clear = (): void => {
    running?.abort();
    conversation.clear();
    fill(log, empty);
    announce(text.cleared);
    composer.focus();
  };
  const composer = chatComposer({
    send: (question) => {
      const route = choice.check();
      const { provider } = choice;
      if (!route || !provider) return false;
      const exchange = conversation.ask(question);
      if (empty.isConnected) empty.remove();
      log.append(h("div", { class: "turn turn--user" }, h("h2", { class: "turn__who" }, text.you), h("p", { class: "turn__text", dir: "auto" }, question)));
      void answer(exchange, provider, route);
      return true;
    },
    stop: () => running?.abort(),
    clear,
  });

  const answer = async (exchange: Exchange, provider: Provider, { base, dialect, model }: Route): Promise<void> => {
    retried?.disableActions();
    const controller = new AbortController();
    running = controller;
    composer.setRunning(true);
    exchange.answer = "";
    const view = new AnswerView(provider.name, choice.model);
    log.append(view.root);
    scrollToEnd();

    const cost = await costMeter(vault);
    const outcome = await ask(
      vault.fetch,
      location.origin,
      {
        provider: provider.id,
        base,
        dialect,
        model,
        turns: conversation.turnsFor(exchange),
        signal: controller.signal,
      },
      {
        onReceipt: (receipt) => {
          view.showReceipt(receipt, nameOf(receipt.provider, vault));
          void sealingOf(location.origin).then((sealing) => view.showWire(receipt.wire, sealing));
        },
        onText: (part) => {
          exchange.answer += part;
          const follow = isAtEnd();
          view.append(part);
          if (follow) scrollToEnd();
        },
      },
    );
    const follow = isAtEnd();
    finish(view, outcome, provider, exchange);
    if (follow) scrollToEnd();
    if (running === controller) {
      running = null;
      composer.setRunning(false);
    }
    const paid = outcome.kind === "failed" && exchange.answer === "" ? null : await cost();
    if (paid) view.showCost(paid);
  };

  const finish = (view: AnswerView, outcome: Outcome, provider: Provider, exchange: Exchange): void => {
    if (outcome.kind !== "failed") {
      view.finish(outcome);
      return;
    }
    const again = (): void => {
      if (running) return;
      const route = choice.check();
      if (!route) return;
      // A failed try without a word is replaced; a partial answer stays readable.
      if (exchange.answer === "") view.root.remove();
      void answer(exchange, choice.provider ?? provider, route);
      composer.focusRunning();
    };
    const handlers: ActionHandlers = { retry: again, unlock: goTo.openUnlock, "add-key": () => goTo.openKeys(provider.id) };
    retried = view;
    view.fail(fromRequest(blameLock(outcome.failure), provider.name, messageFor), handlers, again);
  };

  // However a stream breaks when the vault locks, the lock is the reason that helps.
  const blameLock = (failure: Failure): Failure =>
    vault.state === "locked" && (failure.code === "network" || failure.code === "stream_interrupted")
      ? { ...failure, code: "locked" }
      : failure;

  fill(log, empty);
  const root = h(
    "section",
    { class: "chat", "aria-labelledby": title.id },
    title,
    choice.root,
    log,
    composer.root,
  );
  return {
    root,
    focus: () => composer.focus(),
    update: (snapshot) => {
      choice.update(snapshot);
      fill(empty, ...emptyState(snapshot, goTo.openKeys));
    },
  };
}

function nameOf(id: string, vault: Vault): string {
  return vault.providers().find((provider) => provider.id === id)?.name ?? id;
}

function emptyState(snapshot: Snapshot, openKeys: (provider?: string) => void): Node[] {
  const text = strings.chat;
  const usable = snapshot.providers.some(({ hasKey }) => hasKey);
  if (snapshot.state === "unlocked" && !usable) {
    return [
      h("p", { class: "log__empty-title" }, text.emptyNoKeys),
      h("p", {}, text.emptyNoKeysHint),
      h("button", { type: "button", class: "button", onclick: () => openKeys() }, strings.actions.addKey),
    ];
  }
  return [h("p", { class: "log__empty-title" }, text.emptyTitle), h("p", {}, text.emptyHint)];
}

/** Following the text is a help only for whoever is already reading its end. */
function isAtEnd(): boolean {
  const page = document.documentElement;
  return page.scrollHeight - page.clientHeight - page.scrollTop < 80;
}

function scrollToEnd(): void {
  scrollTo({ top: document.documentElement.scrollHeight, behavior: "instant" });
}
