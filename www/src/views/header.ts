/** The top of every screen: name, navigation, and the state of the vault with its lock button. */
import { timeLeft } from "../countdown";
import { h, setText } from "../dom";
import { strings } from "../strings";
import type { Snapshot } from "../vault";

export type Route = "settings" | "chat";

export interface Header {
  readonly root: HTMLElement;
  update(snapshot: Snapshot, route: Route): void;
}

export function header(actions: { lock(): void; unlock(): void }): Header {
  const text = strings.vault;
  const links: Record<Route, HTMLAnchorElement> = {
    settings: h("a", { href: "#settings", "data-testid": "nav-settings" }, strings.app.settings),
    chat: h("a", { href: "#chat", "data-testid": "nav-chat" }, strings.app.chat),
  };
  const nav = h("nav", { class: "nav", "aria-label": strings.app.nav }, links.settings, links.chat);
  const label = h("span", { class: "badge__state" });
  const timer = h("span", { class: "badge__timer" });
  const badge = h("p", { class: "badge", "data-testid": "vault-state" }, label, timer);
  const button = h(
    "button",
    { type: "button", class: "button button--small", title: text.lockHint, onclick: actions.lock, "data-testid": "lock-button" },
    text.lock,
  );
  const unlock = h(
    "button",
    { type: "button", class: "button button--small", onclick: actions.unlock, "data-testid": "unlock-button" },
    strings.actions.unlock,
  );

  let lockAt: number | null = null;
  const tick = (): void => setText(timer, lockAt === null ? "" : text.locksIn(timeLeft(lockAt - Date.now())));
  setInterval(tick, 1000);

  return {
    root: h(
      "header",
      { class: "header" },
      h("a", { class: "brand", href: "#settings" }, strings.app.name),
      nav,
      h("div", { class: "header__vault" }, badge, button, unlock),
    ),
    update: (snapshot, route) => {
      lockAt = snapshot.state === "unlocked" ? snapshot.lockAt : null;
      badge.dataset["state"] = snapshot.state;
      setText(label, text.state[snapshot.state]);
      tick();
      button.hidden = snapshot.state !== "unlocked";
      // The settings show the form itself.
      unlock.hidden = snapshot.state !== "locked" || route === "settings";
      for (const [name, link] of Object.entries(links)) {
        if (name === route) link.setAttribute("aria-current", "page");
        else link.removeAttribute("aria-current");
      }
    },
  };
}
