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
import type { Model } from "./elements/base/models.js";
import { providePageDialog } from "./frame/page-ui.js";
import type { View } from "./frame/protocol.js";

export { messageFor } from "./elements/message-for.js";
export type { Message } from "./elements/strings/index.js";
export type { Model } from "./elements/base/models.js";

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

/** `<keyferry-lock-badge>`: whether the vault is open, until when, and a warning before it locks by itself. */
export interface KeyferryLockBadgeElement extends HTMLElement {
  vault: Vault | undefined;
}

/** `<keyferry-model-picker>`: fires `change`. */
export interface KeyferryModelPickerElement extends HTMLElement {
  vault: Vault | undefined;
  /** Attribute `relay`: the relay's base URL; that of the vault without it. */
  relay: string | undefined;
  /** Attribute `value`: the chosen model's name, under which the relay routes it: `openai/gpt-4o-mini`. */
  value: string | undefined;
  /** Attribute `label`: in place of “Model”. */
  label: string | undefined;
  /** Attribute `other`: whether a name that the relay does not list may be chosen. */
  other: boolean;
  /** Which of the relay's models to offer; all of them without it. */
  filter: ((model: Model) => boolean) | undefined;
  /** The chosen model, where the relay lists it. */
  readonly model: Model | undefined;
}

declare global {
  interface HTMLElementTagNameMap {
    "keyferry-settings": KeyferrySettingsElement;
    "keyferry-lock-badge": KeyferryLockBadgeElement;
    "keyferry-model-picker": KeyferryModelPickerElement;
  }
}

// Importing on a server defines nothing.
if (typeof customElements !== "undefined") {
  define();
  followDocumentLanguage();
  providePageDialog(showDialog);
}
