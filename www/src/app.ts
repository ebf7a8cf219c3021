/** Decides which screen is shown for the address, and moves between them. */
import { liveRegions } from "./announce";
import { touchOnActivity } from "./activity";
import { fill, h } from "./dom";
import { fromVault } from "./problem";
import { strings } from "./strings";
import { ProblemSlot } from "./ui/problem-panel";
import type { MessageFor, Vault } from "./vault";
import { audioView } from "./views/audio";
import { chatView } from "./views/chat";
import { header } from "./views/header";
import { ROUTES } from "./views/header";
import type { Route } from "./views/header";
import { settingsView } from "./views/settings";

export function startApp(place: HTMLElement, vault: Vault, messageFor: MessageFor): void {
  let route: Route | null = null;

  const problem = new ProblemSlot();
  const attempt = async (work: () => Promise<void>): Promise<void> => {
    problem.clear();
    try {
      await work();
    } catch (error) {
      problem.show(fromVault(error, messageFor));
    }
  };
  const top = header(vault);
  const pagePlace = h("div", {});
  // All are kept through navigation: a conversation and an answer on its way outlive a look at
  // the settings, and a recovery code on screen outlives a look at the chat.
  const settings = settingsView(vault);
  const goTo = {
    openKeys: (provider?: string) => void attempt(() => vault.ui.open("keys", provider === undefined ? {} : { provider })),
    openUnlock: () => void attempt(() => vault.ui.open("unlock")),
  };
  const chat = chatView(vault, messageFor, goTo);
  const audio = audioView(vault, messageFor, goTo);
  const views = { settings, chat, audio };
  // A frame that leaves the document loads anew when it comes back: hidden, not taken out.
  pagePlace.append(settings.root, chat.root, audio.root);

  function render(): void {
    const snapshot = vault.getSnapshot();
    const next = currentRoute();
    top.update(next);
    chat.update(snapshot);
    audio.update(snapshot);
    if (next === route) return;
    const first = route === null;
    route = next;
    for (const name of ROUTES) views[name].root.hidden = name !== route;
    document.title = strings.app.pageTitle(strings.app[route]);
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
  top.root.prepend(skip);
  fill(place, top.root, main, ...liveRegions);

  vault.subscribe(render);
  addEventListener("hashchange", render);
  touchOnActivity(vault);
  render();
}

function currentRoute(): Route {
  return ROUTES.find((name) => location.hash === `#${name}`) ?? "settings";
}
