/** Shows a problem: what happened, what to do next, and a button that does it. */
import { fill, h } from "../dom";
import type { Action, Problem } from "../problem";
import { strings } from "../strings";

export type ActionHandlers = Partial<Record<Action, () => void>>;

/** An element for one problem, announced when it is inserted. */
export function problemPanel(problem: Problem, handlers: ActionHandlers = {}): HTMLElement {
  return h(
    "div",
    { class: "problem", role: "alert", "data-testid": "error-message", "data-code": problem.code },
    h("p", { class: "problem__title" }, problem.title),
    h("p", {}, problem.next),
    problem.detail === null ? null : h("p", { class: "problem__detail" }, problem.detail),
    actionButton(problem.action, handlers),
  );
}

/** A place in a form for one problem at a time. */
export class ProblemSlot {
  readonly root = h("div", { class: "problem-slot" });

  show(problem: Problem, handlers: ActionHandlers = {}): void {
    fill(this.root, problemPanel(problem, handlers));
  }

  clear(): void {
    fill(this.root);
  }
}

function actionButton(action: Action | null, handlers: ActionHandlers): HTMLElement | null {
  if (action === null) return null;
  const run = handlers[action] ?? (action === "reload" ? () => location.reload() : undefined);
  if (!run) return null;
  const labels: Record<Action, string> = {
    unlock: strings.actions.unlock,
    "add-key": strings.actions.addKey,
    reload: strings.actions.reload,
    retry: strings.actions.retry,
  };
  return h("button", { type: "button", class: "button button--small", onclick: run, "data-action": action }, labels[action]);
}
