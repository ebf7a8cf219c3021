/** Chooses provider and model for the next question. */
import { fill, h, setText, uniqueId } from "../dom";
import { chatProviders } from "../providers";
import type { ChatProvider } from "../providers";
import { strings } from "../strings";
import { Field } from "../ui/field";
import type { Snapshot } from "../vault";

export interface ModelPicker {
  readonly root: HTMLElement;
  readonly provider: ChatProvider;
  readonly model: string;
  update(snapshot: Snapshot): void;
  /** Whether there is a model name; shows an error at the field when not. */
  check(): boolean;
}

export function modelPicker(): ModelPicker {
  const text = strings.chat;
  const listId = uniqueId("models");
  const options = new Map(chatProviders.map(({ id, name }) => [id, h("option", { value: id }, name)]));
  const provider = new Field({
    label: text.provider,
    control: h("select", { "data-testid": "chat-provider" }, ...options.values()),
  });
  const model = new Field({
    label: text.model,
    control: h("input", {
      type: "text",
      list: listId,
      autocomplete: "off",
      autocapitalize: "none",
      spellcheck: "false",
      "data-testid": "chat-model",
    }),
  });
  const suggestions = h("datalist", { id: listId });
  // A model typed for one provider comes back when that provider does.
  const chosen = new Map(chatProviders.map(({ id, defaultModel }) => [id, defaultModel]));
  let picked = false;
  let current: ChatProvider = chatProviders[0];

  const show = (next: ChatProvider): void => {
    current = next;
    provider.value = next.id;
    model.value = chosen.get(next.id) ?? next.defaultModel;
    model.clearError();
    fill(suggestions, ...next.models.map((value) => h("option", { value })));
  };
  provider.control.addEventListener("change", () => {
    picked = true;
    show(byId(provider.value) ?? current);
  });
  model.control.addEventListener("input", () => chosen.set(current.id, model.value));
  show(current);

  return {
    root: h("div", { class: "picker" }, provider.root, model.root, suggestions),
    get provider() {
      return current;
    },
    get model() {
      return model.value.trim();
    },
    update: ({ state, providers }) => {
      const has = (id: string): boolean => providers.some((known) => known.id === id && known.hasKey);
      for (const { id, name } of chatProviders) {
        const option = options.get(id);
        // A locked vault does not tell what it holds.
        if (option) setText(option, state === "unlocked" && !has(id) ? text.noKey(name) : name);
      }
      if (picked || has(current.id)) return;
      const usable = chatProviders.find(({ id }) => has(id));
      if (usable) show(usable);
    },
    check: () => {
      if (model.value.trim() !== "") return true;
      model.setError(text.emptyModel, "empty");
      model.control.focus();
      return false;
    },
  };
}

function byId(id: string): ChatProvider | undefined {
  return chatProviders.find((provider) => provider.id === id);
}
