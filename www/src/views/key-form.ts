/** Adds a key: provider, the key itself, an optional name. */
import { announce } from "../announce";
import { h } from "../dom";
import { fromVault } from "../problem";
import { judgeKey, keyExample } from "../providers";
import { strings } from "../strings";
import { Field } from "../ui/field";
import { taskForm } from "../ui/form";
import { ProblemSlot } from "../ui/problem-panel";
import { SecretField } from "../ui/secret-field";
import type { Provider, Vault } from "../vault";

export function keyForm(vault: Vault): { root: HTMLElement; dispose(): void } {
  const text = strings.keys;
  const providers = vault.providers();
  const nameOf = (id: string): string => providers.find((provider) => provider.id === id)?.name ?? id;

  const provider = new Field({
    label: text.provider,
    control: h("select", { "data-testid": "key-provider" }, ...providers.map(({ id, name }) => h("option", { value: id }, name))),
  });
  const key = new SecretField({ label: text.value, testId: "key-value", autocomplete: "off" });
  const name = new Field({
    label: text.name,
    control: h("input", { type: "text", autocomplete: "off", maxlength: 80, "data-testid": "key-name" }),
    hint: text.nameHint,
  });
  const problem = new ProblemSlot();
  const button = h("button", { class: "button button--primary", "data-testid": "key-submit" }, text.submit);

  const advise = (): void => {
    provider.setHint(keyPageLink(providers.find(({ id }) => id === provider.value)));
    key.setHint(keyHint(provider.value, key.value, nameOf));
  };
  provider.control.addEventListener("change", advise);
  key.control.addEventListener("input", advise);
  advise();

  const fields: Record<string, Field | SecretField> = { key, name };
  const submit = async (): Promise<void> => {
    problem.clear();
    if (key.value.trim() === "") {
      key.setError(text.blank, "blank");
      return key.control.focus();
    }
    const chosen = provider.value;
    const label = name.value.trim();
    try {
      await vault.keys.add({ provider: chosen, key: key.value, ...(label === "" ? {} : { name: label }) });
      key.reset();
      name.value = "";
      advise();
      announce(text.added(nameOf(chosen)));
    } catch (error) {
      const found = fromVault(error);
      const field = fields[found.field ?? ""];
      if (field && found.action === null) {
        field.setError(`${found.title} ${found.next}`, found.code);
        field.control.focus();
      } else {
        problem.show(found);
      }
    }
  };

  const root = h(
    "section",
    { class: "card", "aria-labelledby": "add-title" },
    h("h2", { id: "add-title" }, text.add),
    taskForm(
      { class: "form form--columns", "aria-labelledby": "add-title" },
      button,
      submit,
      provider.root,
      key.root,
      name.root,
      h("div", { class: "form__buttons form__buttons--inline" }, button),
      h("div", { class: "form__wide" }, problem.root),
    ),
  );
  return { root, dispose: () => key.reset() };
}

function keyPageLink(provider: Provider | undefined): Node | null {
  // Providers that an operator added have no page.
  if (!provider?.keyPage.startsWith("https://")) return null;
  return h(
    "a",
    { href: provider.keyPage, target: "_blank", rel: "noopener noreferrer" },
    strings.keys.getKey(provider.name),
  );
}

function keyHint(provider: string, key: string, nameOf: (id: string) => string): string {
  const text = strings.keys;
  const example = keyExample(provider);
  if (key.trim() === "") return example === null ? text.valueHintUnknown : text.valueHint(example);
  const verdict = judgeKey(provider, key);
  switch (verdict.kind) {
    case "fits":
      return example === null ? text.valueHintUnknown : text.fits(nameOf(provider));
    case "other":
      return text.looksLike(nameOf(verdict.provider));
    case "unknown":
      return text.looksUnknown(nameOf(provider));
  }
}
