/** The saved keys and the form that adds one. */
import { h } from "../dom";
import { strings } from "../strings";
import type { Vault } from "../vault";
import { keyForm } from "./key-form";
import { keyList } from "./key-list";
import type { View } from "./view";

export function keysView(vault: Vault): View {
  const title = h("h1", { id: "keys-title", tabindex: -1 }, strings.keys.title);
  const list = keyList(vault);
  const form = keyForm(vault);
  const root = h(
    "section",
    { class: "stack", "aria-labelledby": title.id },
    h("div", { class: "page-head" }, title, h("p", { class: "lead" }, strings.keys.lead)),
    list.root,
    form.root,
  );
  return {
    root,
    focus: () => title.focus({ preventScroll: true }),
    dispose: () => {
      list.dispose();
      form.dispose();
    },
  };
}
