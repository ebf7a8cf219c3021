/** The vault's own settings, in an element of the package: this page sees nothing of what is typed there. */
import { h } from "../dom";
import { strings } from "../strings";
import type { Vault } from "../vault";
import type { View } from "./view";

export function settingsView(vault: Vault): View {
  const title = h("h1", { id: "settings-title", tabindex: -1, class: "visually-hidden" }, strings.app.settings);
  const settings = document.createElement("keyferry-settings");
  settings.vault = vault;
  return {
    root: h("section", { "aria-labelledby": title.id }, title, settings),
    focus: () => title.focus({ preventScroll: true }),
  };
}
