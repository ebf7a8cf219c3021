/** Decides which screen is shown for the address, and moves between them. */
import { liveRegions, announce } from "./announce";
import { touchOnActivity } from "./activity";
import { fill, h } from "./dom";
import { fromVault } from "./problem";
import { strings } from "./strings";
import { ProblemSlot } from "./ui/problem-panel";
import type { Vault } from "./vault";
import { chatView } from "./views/chat";
import { header } from "./views/header";
import type { Route } from "./views/header";
import { lockWarning } from "./views/lock-warning";
import { settingsView } from "./views/settings";

export function startApp(place: HTMLElement, vault: Vault): void {
  let route: Route | null = null;
  let state = vault.state;

  const problem = new ProblemSlot();
  const attempt = async (work: () => Promise<void>): Promise<void> => {
    problem.clear();
    try {
      await work();
    } catch (error) {
      problem.show(fromVault(error));
    }
  };
  const top = header({
    lock: () => void attempt(() => vault.lock()),
    unlock: () => void attempt(() => vault.ui.open("unlock")),
  });
  const warning = lockWarning(vault);
  const pagePlace = h("div", {});
  // Both are kept through navigation: a conversation and an answer on its way outlive a look at
  // the settings, and a recovery code on screen outlives a look at the chat.
  const settings = settingsView(vault);
  const chat = chatView(vault, {
    openKeys: (provider) => void attempt(() => vault.ui.open("keys", provider === undefined ? {} : { provider })),
    openUnlock: () => void attempt(() => vault.ui.open("unlock")),
  });
  const views = { settings, chat };
  // A frame that leaves the document loads anew when it comes back: hidden, not taken out.
  pagePlace.append(settings.root, chat.root);

  function render(): void {
    const snapshot = vault.getSnapshot();
    const next = currentRoute();
    top.update(snapshot, next);
    warning.update(snapshot);
    chat.update(snapshot);
    if (snapshot.state !== state) {
      state = snapshot.state;
      if (state === "locked") announce(strings.vault.lockedNow);
      if (state === "unlocked") announce(strings.vault.unlockedNow);
    }
    if (next === route) return;
    const first = route === null;
    route = next;
    settings.root.hidden = route !== "settings";
    chat.root.hidden = route !== "chat";
    document.title = strings.app.pageTitle(route === "chat" ? strings.chat.title : strings.app.settings);
    if (first) return;
    views[route].focus();
    scrollTo({ top: 0, behavior: "instant" });
  }

  const main = h("main", { id: "main", class: "main", tabindex: -1 }, problem.root, pagePlace);
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
