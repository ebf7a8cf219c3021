/** Says that the idle lock is near and offers to put it off. */
import { h } from "../dom";
import { strings } from "../strings";
import type { Snapshot, Vault } from "../vault";

export function lockWarning(vault: Vault): { root: HTMLElement; update(snapshot: Snapshot): void } {
  const root = h("div", { class: "toast-place", role: "alert" });
  let warnedFor: number | null = null;

  vault.addEventListener("lockwarning", (event) => {
    warnedFor = event.detail.lockAt;
    root.replaceChildren(
      h(
        "div",
        { class: "toast" },
        h("p", {}, strings.vault.locksSoon),
        h("button", { type: "button", class: "button button--small", onclick: () => vault.touch() }, strings.vault.stayUnlocked),
      ),
    );
  });

  return {
    root,
    update: ({ state, lockAt }) => {
      const putOff = lockAt !== null && warnedFor !== null && lockAt > warnedFor;
      if (state === "unlocked" && !putOff) return;
      warnedFor = null;
      root.replaceChildren();
    },
  };
}
