/** The vault's own settings, in an element of the package: this page sees nothing of what is typed there. */
import { h } from "../dom";
import { LANGUAGES, changeLanguage, language } from "../language";
import { strings } from "../strings";
import type { Vault } from "../vault";
import type { View } from "./view";

export function settingsView(vault: Vault): View {
  const title = h("h1", { id: "settings-title", tabindex: -1, class: "visually-hidden" }, strings.app.settings);
  const settings = document.createElement("keyferry-settings");
  settings.vault = vault;
  return {
    root: h("section", { "aria-labelledby": title.id }, title, settings, languageChoice()),
    focus: () => title.focus({ preventScroll: true }),
  };
}

function languageChoice(): HTMLElement {
  const select = h(
    "select",
    { id: "language", "data-testid": "page-language", onchange: () => changeLanguage(select.value) },
    ...Object.entries(LANGUAGES).map(([code, name]) => h("option", { value: code, lang: code, selected: code === language }, name)),
  );
  return h("p", { class: "language" }, h("label", { for: select.id }, strings.app.language), select);
}
