/**
 * The vault's user interface as custom elements. Importing this module defines
 * them; `<keyferry-settings relay="https://…">` is all of it in one.
 *
 * In frame mode the element is a window into the vault's own origin: what is
 * typed there never reaches the page around it.
 *
 * @packageDocumentation
 */
import type { Vault } from "./client/vault.js";
import { define } from "./elements/define.js";
import { showDialog } from "./elements/dialog.js";
import { followDocumentLanguage } from "./elements/follow-language.js";
import { providePageDialog } from "./frame/page-ui.js";
import type { View } from "./frame/protocol.js";

/** `<keyferry-settings>` */
export interface KeyferrySettingsElement extends HTMLElement {
  /** The vault to show. Without one it opens that of `relay` and `name`. */
  vault: Vault | undefined;
  /** Attribute `relay`: the relay's base URL. */
  relay: string | undefined;
  /** Attribute `name`: the vault's name. */
  name: string | undefined;
  /** Attribute `view`: which part; all of them without it. */
  view: View | undefined;
  /** Attribute `provider`: chosen in the form that adds a key. */
  provider: string | undefined;
}

declare global {
  interface HTMLElementTagNameMap {
    "keyferry-settings": KeyferrySettingsElement;
  }
}

// Importing on a server defines nothing.
if (typeof customElements !== "undefined") {
  define();
  followDocumentLanguage();
  providePageDialog(showDialog);
}
