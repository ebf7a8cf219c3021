import { VaultError } from "../errors.js";
import type { Vault } from "../client/vault.js";
import type { View } from "./protocol.js";
import type { VaultUi } from "./ui.js";

/** Shows a dialog of `keyferry/elements` for a vault that this page owns. */
export type ShowDialog = (vault: Vault, view: View, provider: string | undefined) => Promise<void>;

let show: ShowDialog | undefined;

/** Called by `keyferry/elements`, so that the client does not carry them. */
export function providePageDialog(dialog: ShowDialog): void {
  show = dialog;
}

/** The user interface of a vault on the app's own origin: there is one when the app loads the elements. */
export class PageUi implements VaultUi {
  readonly where = "page";
  readonly #vault: Vault;

  constructor(vault: Vault) {
    this.#vault = vault;
  }

  async open(view: View, { provider }: { provider?: string } = {}): Promise<void> {
    if (!show) throw new VaultError("forbidden", "In page mode the dialogs come with keyferry/elements: import it.");
    await show(this.#vault, view, provider);
  }

  async mount(): Promise<() => void> {
    throw new VaultError("forbidden", "In page mode the elements are placed directly.");
  }
}
