/** The keys in the vault, kept current while other tabs change them. */
import { announce } from "../announce";
import { fill, h } from "../dom";
import { fromVault } from "../problem";
import { strings } from "../strings";
import { confirm } from "../ui/confirm";
import { ProblemSlot } from "../ui/problem-panel";
import type { KeyInfo, Vault } from "../vault";

export function keyList(vault: Vault): { root: HTMLElement; dispose(): void } {
  const text = strings.keys;
  const title = h("h2", { id: "key-list-title", tabindex: -1 }, text.listTitle);
  const problem = new ProblemSlot();
  const list = h("ul", { class: "keys", "data-testid": "key-list", "aria-labelledby": title.id, "aria-busy": "true" });
  fill(list, h("li", { class: "keys__message" }, text.loading));
  const nameOf = (id: string): string => vault.providers().find((provider) => provider.id === id)?.name ?? id;

  let disposed = false;
  let round = 0;
  const load = async (): Promise<void> => {
    round += 1;
    const mine = round;
    try {
      const keys = await vault.keys.list();
      // A slower, older answer must not overwrite a newer one.
      if (disposed || mine !== round) return;
      problem.clear();
      list.removeAttribute("aria-busy");
      fill(list, ...(keys.length === 0 ? [emptyState()] : keys.map((key) => row(key))));
    } catch (error) {
      if (disposed || mine !== round || vault.state !== "unlocked") return;
      list.removeAttribute("aria-busy");
      problem.show(fromVault(error), { reload: () => location.reload() });
    }
  };

  const row = (key: KeyInfo): HTMLElement => {
    // A record whose description cannot be read names no provider.
    const provider = key.provider === "" ? text.damagedKey : nameOf(key.provider);
    // The vault's own names begin with the provider's and need not be told twice.
    const named = key.name.startsWith(provider);
    const label = named || key.name === "" ? key.name || provider : `${provider}, ${key.name}`;
    const remove = h(
      "button",
      {
        type: "button",
        class: "button button--small",
        "data-testid": "key-remove",
        "aria-label": text.removeKey(label),
        onclick: () => void removeKey(key.id, label),
      },
      text.remove,
    );
    return h(
      "li",
      { class: "keys__row", "data-testid": "key-row", "data-key-id": key.id, "data-provider": key.provider },
      h(
        "div",
        { class: "keys__who" },
        h("span", { class: "keys__provider" }, named ? key.name : provider),
        named || key.name === "" ? null : h("span", { class: "keys__name" }, key.name),
      ),
      h(
        "dl",
        { class: "keys__facts" },
        fact(text.preview, h("code", {}, key.preview || text.noPreview)),
        fact(text.status, status(key)),
        key.createdAt > 0 ? fact(text.addedOn, date(key.createdAt)) : null,
      ),
      remove,
    );
  };

  const removeKey = async (id: string, label: string): Promise<void> => {
    const sure = await confirm({
      title: text.confirmTitle,
      text: text.confirm(label),
      accept: text.remove,
      cancel: text.cancel,
      testId: "key-remove",
    });
    if (!sure) return;
    try {
      await vault.keys.remove(id);
      await load();
      announce(text.removed(label));
      // The button that had the focus is gone with its row.
      title.focus();
    } catch (error) {
      problem.show(fromVault(error));
    }
  };

  const changed = (): void => void load();
  vault.addEventListener("change", changed);
  void load();

  const root = h("section", { class: "card", "aria-labelledby": title.id }, title, problem.root, list);
  return {
    root,
    dispose: () => {
      disposed = true;
      vault.removeEventListener("change", changed);
    },
  };
}

function emptyState(): HTMLElement {
  return h(
    "li",
    { class: "keys__message" },
    h("strong", {}, strings.keys.empty),
    h("span", {}, strings.keys.emptyHint),
  );
}

function fact(name: string, value: Node): HTMLElement {
  return h("div", {}, h("dt", {}, name), h("dd", {}, value));
}

/** What keeps a key from being used comes before how it fared when it was last tested. */
function status(key: KeyInfo): HTMLElement {
  const text = strings.keys;
  if (key.refusal !== null) {
    return h("span", { class: "status", "data-status": key.refusal }, text.refusals[key.refusal] ?? key.refusal);
  }
  const words = key.status === "unknown" && !key.knownShape ? text.unusualShape : text.statuses[key.status];
  return h("span", { class: "status", "data-status": key.status }, words);
}

function date(time: number): HTMLElement {
  const when = new Date(time);
  return h(
    "time",
    { datetime: when.toISOString(), title: when.toLocaleString() },
    when.toLocaleDateString(undefined, { year: "numeric", month: "short", day: "numeric" }),
  );
}
