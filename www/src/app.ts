/** Decides which screens are shown for the vault's state and the address, and moves between them. */
import { liveRegions, announce } from "./announce";
import { touchOnActivity } from "./activity";
import { fill, h } from "./dom";
import { fromVault } from "./problem";
import { strings } from "./strings";
import { ProblemSlot } from "./ui/problem-panel";
import type { Vault } from "./vault";
import { chatView } from "./views/chat";
import { createView } from "./views/create";
import { header } from "./views/header";
import type { Route } from "./views/header";
import { keysView } from "./views/keys";
import { lockWarning } from "./views/lock-warning";
import { recoveryView } from "./views/recovery";
import { unlockView } from "./views/unlock";
import type { View } from "./views/view";

/**
 * - create: there is no vault yet (or its recovery code is about to be shown)
 * - recovery: the code is on screen until the person says it is saved
 * - unlock: locked; the chat stays readable below it, keys do not
 * - open: the vault can be used
 */
type Stage = "create" | "recovery" | "unlock" | "open";

export function startApp(place: HTMLElement, vault: Vault): void {
  let stage: Stage | null = null;
  let route: Route = currentRoute();
  let creating = false;
  let recoveryCode: string | null = null;
  /** The screen for the stage, and for "open" the one for the route, except the chat. */
  let gate: View | null = null;
  let page: View | null = null;

  const top = header(() => void lock());
  const warning = lockWarning(vault);
  const problem = new ProblemSlot();
  const gatePlace = h("div", {});
  const pagePlace = h("div", {});
  // Kept through locking and navigation: a conversation, and an answer on its way, outlive both.
  const chat = chatView(vault, {
    openKeys: () => {
      location.hash = "#settings";
    },
    openUnlock: () => gate?.focus(),
  });

  const lock = async (): Promise<void> => {
    try {
      await vault.lock();
    } catch (error) {
      problem.show(fromVault(error));
    }
  };

  const create = async (password: string): Promise<void> => {
    // The vault is unlocked before the code has arrived here: no other screen may come in between.
    creating = true;
    try {
      recoveryCode = (await vault.create(password)).recoveryCode;
    } finally {
      creating = false;
      render();
    }
  };

  const recoverySaved = (): void => {
    recoveryCode = null;
    render();
  };

  const stageNow = (): Stage => {
    if (recoveryCode !== null) return "recovery";
    const { state } = vault.getSnapshot();
    if (state === "empty" || creating) return "create";
    return state === "locked" ? "unlock" : "open";
  };

  const gateFor = (next: Stage): View | null => {
    if (next === "create") return createView(create);
    if (next === "recovery") return recoveryView(recoveryCode ?? "", recoverySaved);
    return next === "unlock" ? unlockView(vault) : null;
  };

  function render(): void {
    const snapshot = vault.getSnapshot();
    const next = stageNow();
    const nextRoute = currentRoute();
    const stageChanged = next !== stage;
    const routeChanged = nextRoute !== route;
    const before = stage;
    stage = next;
    route = nextRoute;

    const navigable = stage === "unlock" || stage === "open";
    top.update(snapshot, route, navigable);
    warning.update(snapshot);
    chat.update(snapshot);
    if (!stageChanged && !routeChanged) return;

    if (stageChanged) {
      problem.clear();
      gate?.dispose?.();
      gate = gateFor(stage);
      fill(gatePlace, gate?.root);
    }
    page?.dispose?.();
    page = stage === "open" && route === "settings" ? keysView(vault) : null;
    const showChat = navigable && route === "chat";
    const typing = chat.root.contains(document.activeElement);
    const shown = showChat ? chat.root : (page?.root ?? null);
    // Putting an element back where it is would still drop its focus and scroll position.
    if (shown === null || shown.parentNode !== pagePlace) fill(pagePlace, shown);
    document.title = strings.app.pageTitle(titleOf(stage, route));

    if (before !== null && stageChanged && stage === "unlock") announce(strings.vault.lockedNow);
    if (before === "unlock" && stage === "open") announce(strings.vault.unlockedNow);
    // Locking in the middle of typing must not move the keyboard away from the message.
    if (stage === "unlock" && stageChanged && showChat && typing) return;
    if (before === null && stage === "open") return;
    (gate && (stageChanged || !showChat) ? gate : showChat ? chat : page)?.focus();
    if (routeChanged) scrollTo({ top: 0, behavior: "instant" });
  }

  const main = h("main", { id: "main", class: "main", tabindex: -1 }, problem.root, gatePlace, pagePlace);
  const skip = h("a", { class: "skip", href: "#main" }, strings.app.skip);
  skip.addEventListener("click", (event) => {
    // The address's fragment is the route: the link moves the keyboard without changing it.
    event.preventDefault();
    main.focus();
  });
  fill(place, skip, top.root, main, warning.root, ...liveRegions);

  vault.subscribe(render);
  addEventListener("hashchange", render);
  touchOnActivity(vault);
  render();
}

function currentRoute(): Route {
  return location.hash === "#chat" ? "chat" : "settings";
}

function titleOf(stage: Stage, route: Route): string {
  if (stage === "create") return strings.create.title;
  if (stage === "recovery") return strings.recovery.title;
  if (stage === "unlock") return strings.unlock.title;
  return route === "chat" ? strings.chat.title : strings.keys.title;
}
