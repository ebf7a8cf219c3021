import { AddKey } from "./parts/add-key.js";
import { Audit } from "./parts/audit.js";
import { Backup } from "./parts/backup.js";
import { Connect } from "./parts/connect.js";
import { Create } from "./parts/create.js";
import { EnvImporter } from "./parts/env-import.js";
import { KeyCard } from "./parts/key-card.js";
import { Keys } from "./parts/keys.js";
import { LockBadge } from "./parts/lock-badge.js";
import { ModelPicker } from "./parts/model-picker.js";
import { PasskeyList } from "./parts/passkeys.js";
import { Preferences } from "./parts/preferences.js";
import { Rebind } from "./parts/rebind.js";
import { RecoveryCode } from "./parts/recovery-code.js";
import { Repaired } from "./parts/repaired.js";
import { Reveal } from "./parts/reveal.js";
import { Settings } from "./parts/settings.js";
import { Unlock } from "./parts/unlock.js";
import { UsageReport } from "./parts/usage.js";

const ELEMENTS: { readonly [name: string]: CustomElementConstructor } = {
  "keyferry-settings": Settings,
  "keyferry-create": Create,
  "keyferry-recovery-code": RecoveryCode,
  "keyferry-unlock": Unlock,
  "keyferry-rebind": Rebind,
  "keyferry-repaired": Repaired,
  "keyferry-keys": Keys,
  "keyferry-key-card": KeyCard,
  "keyferry-reveal": Reveal,
  "keyferry-add-key": AddKey,
  "keyferry-connect": Connect,
  "keyferry-env-import": EnvImporter,
  "keyferry-usage": UsageReport,
  "keyferry-passkeys": PasskeyList,
  "keyferry-backup": Backup,
  "keyferry-audit": Audit,
  "keyferry-preferences": Preferences,
  "keyferry-lock-badge": LockBadge,
  "keyferry-model-picker": ModelPicker,
};

/** Defines every element that is not defined yet. */
export function define(): void {
  for (const [name, element] of Object.entries(ELEMENTS)) {
    if (!customElements.get(name)) customElements.define(name, element);
  }
}
