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
  dialog.style.cssText = "width:min(38rem,calc(100vw - 1rem));max-height:calc(100dvh - 1rem);border:0;border-radius:14px";
  close.type = "button";
  close.textContent = language.strings.close;
  settings.vault = vault;
  settings.view = view;
  settings.provider = provider;
  dialog.append(settings, close);
  document.body.append(dialog);
  dialog.showModal();
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
