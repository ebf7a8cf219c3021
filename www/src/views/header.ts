/** The top of every screen: name, navigation, and the state of the vault with its lock button. */
import { h } from "../dom";
import { strings } from "../strings";
import type { Vault } from "../vault";

export const ROUTES = ["settings", "chat", "audio"] as const;

export type Route = (typeof ROUTES)[number];

export interface Header {
  readonly root: HTMLElement;
  update(route: Route): void;
}

export function header(vault: Vault): Header {
  const links = ROUTES.map((route) => ({
    route,
    link: h("a", { href: `#${route}`, "data-testid": `nav-${route}` }, strings.app[route]),
  }));
  const badge = document.createElement("keyferry-lock-badge");
  badge.vault = vault;
  return {
    root: h(
      "header",
      { class: "header" },
      h("a", { class: "brand", href: "#settings" }, strings.app.name),
      h("nav", { class: "nav", "aria-label": strings.app.nav }, ...links.map(({ link }) => link)),
      h("div", { class: "header__vault" }, badge),
    ),
    update: (now) => {
      // The settings show the form itself.
      badge.toggleAttribute("unlock", now !== "settings");
      for (const { route, link } of links) {
        if (route === now) link.setAttribute("aria-current", "page");
        else link.removeAttribute("aria-current");
      }
    },
  };
}
