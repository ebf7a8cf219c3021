/** Chooses provider and model for the next question. */
import { fill, h, setText } from "../dom";
import { bareName, chats, firstModel, providerOf, routeFor } from "../providers";
import type { Route } from "../providers";
import { strings } from "../strings";
import { Field } from "../ui/field";
import type { Provider, Snapshot, Vault } from "../vault";

export interface ModelChoice {
  readonly root: HTMLElement;
  readonly provider: Provider | undefined;
  /** As its provider calls it. */
  readonly model: string;
  /** Where to ask, or null when no model is chosen: the field says so then. */
  check(): Route | null;
  update(snapshot: Snapshot): void;
}

export function modelChoice(vault: Vault): ModelChoice {
  const text = strings.chat;
  const options = new Map(vault.providers().map(({ id, name }) => [id, h("option", { value: id }, name)]));
  const provider = new Field({ label: text.provider, control: h("select", { "data-testid": "chat-provider" }, ...options.values()) });
  const picker = document.createElement("keyferry-model-picker");
  picker.vault = vault;
  picker.other = true;
  picker.filter = chats;
  const error = h("div", { role: "alert" });
  // A model chosen of one provider comes back when that provider does.
  const chosen = new Map<string, string>();
  let touched = false;

  const current = (): Provider | undefined => vault.providers().find(({ id }) => id === provider.value);
  const show = (id: string): void => {
    provider.value = id;
    picker.value = chosen.get(id) ?? firstModel(id);
    fill(error);
  };
  provider.control.addEventListener("change", () => {
    touched = true;
    show(provider.value);
  });
  picker.addEventListener("change", () => {
    const { value } = picker;
    if (value === undefined) return;
    touched = true;
    // A name that is typed without a provider is meant for the one that is chosen.
    const own = providerOf(value, vault.providers())?.id ?? provider.value;
    chosen.set(own, value);
    show(own);
  });
  show(provider.value);

  return {
    root: h("div", { class: "picker" }, provider.root, h("div", {}, picker, error)),
    get provider() {
      return current();
    },
    get model() {
      return bareName(picker.value ?? "", provider.value);
    },
    check: () => {
      const known = current();
      if (known && picker.value) return routeFor(known, picker.value);
      fill(error, h("p", { class: "field__note field__note--error", "data-testid": "error-message", "data-code": "empty" }, text.emptyModel));
      picker.focus();
      return null;
    },
    update: ({ state, providers }) => {
      for (const { id, name, hasKey } of providers) {
        const option = options.get(id);
        // A locked vault does not tell what it holds.
        if (option) setText(option, state === "unlocked" && !hasKey ? text.noKey(name) : name);
      }
      if (touched || providers.some(({ id, hasKey }) => hasKey && id === provider.value)) return;
      const usable = providers.find(({ hasKey }) => hasKey);
      if (usable) show(usable.id);
    },
  };
}
