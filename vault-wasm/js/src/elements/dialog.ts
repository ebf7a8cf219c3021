import type { Vault } from "../client/vault.js";
import type { View } from "../frame/protocol.js";
import { language } from "./strings/index.js";
import type { Settings } from "./parts/settings.js";

/** Page mode: shows the settings as a dialog of this page; resolves when it is closed. */
export function showDialog(vault: Vault, view: View, provider: string | undefined): Promise<void> {
  const dialog = document.createElement("dialog");
  const settings = document.createElement("keyferry-settings") as Settings;
  const close = document.createElement("button");
  dialog.setAttribute("aria-label", language.strings.name);
  dialog.style.cssText = "width:min(38rem,calc(100vw - 1rem));max-height:calc(100dvh - 1rem);padding:.5rem;border:0;border-radius:14px";
  close.style.cssText = "display:block;min-height:2.25rem;margin-inline-start:auto;padding:.25rem .75rem;border:0;background:none;color:inherit;font:inherit;cursor:pointer";
  close.type = "button";
  close.textContent = language.strings.close;
  settings.vault = vault;
  settings.view = view;
  settings.provider = provider;
  dialog.append(close, settings);
  document.body.append(dialog);
  dialog.showModal();
  void settings.updateComplete.then(() => settings.focusFirst());
  return new Promise((resolve) => {
    const done = () => !settings.inTheMiddle && view === "unlock" && vault.state === "unlocked" && dialog.close();
    const unsubscribe = vault.subscribe(done);
    settings.addEventListener("keyferry-ready", done);
    close.addEventListener("click", () => !settings.inTheMiddle && dialog.close());
    dialog.addEventListener("cancel", (event) => settings.inTheMiddle && event.preventDefault());
    dialog.addEventListener("close", () => {
      unsubscribe();
      dialog.remove();
      resolve();
    });
  });
}
