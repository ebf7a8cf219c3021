import { AddKey } from "./parts/add-key.js";
import { Create } from "./parts/create.js";
import { KeyCard } from "./parts/key-card.js";
import { Keys } from "./parts/keys.js";
import { RecoveryCode } from "./parts/recovery-code.js";
import { Settings } from "./parts/settings.js";
import { Unlock } from "./parts/unlock.js";

const ELEMENTS: { readonly [name: string]: CustomElementConstructor } = {
  "keyferry-settings": Settings,
  "keyferry-create": Create,
  "keyferry-recovery-code": RecoveryCode,
  "keyferry-unlock": Unlock,
  "keyferry-keys": Keys,
  "keyferry-key-card": KeyCard,
  "keyferry-add-key": AddKey,
};

/** Defines every element that is not defined yet. */
export function define(): void {
  for (const [name, element] of Object.entries(ELEMENTS)) {
    if (!customElements.get(name)) customElements.define(name, element);
  }
}
