/**
 * Every operation of the vault, once: what it takes and gives, who may call
 * it, whether it writes. The client's methods and the worker's gate are both
 * typed by this table.
 */
import type {
  AuditEvent,
  EnvImport,
  KeyChanges,
  KeyInfo,
  KeyTest,
  Lease,
  LeaseRequest,
  PasskeyInfo,
  Settings,
  UsageRow,
} from "./types.js";
import type { Capability } from "./wire.js";

type Bytes = Uint8Array<ArrayBuffer>;
type None = Record<string, never>;

/** A passkey slot as a ceremony needs it. */
export interface PasskeySlot {
  id: string;
  credentialId: Bytes;
  /** Input of the PRF, random per slot. */
  prfSalt: Bytes;
}

/** What the vault wants a ceremony to be held with. */
export interface PasskeyRequest {
  rpId: string;
  /** Names the vault to the authenticator. */
  userId: Bytes;
  /** For a new passkey. */
  prfSalt: Bytes;
  passkeys: PasskeySlot[];
}

/** What a ceremony gave: bytes to be moved into the worker. */
export interface PasskeyAnswer {
  credentialId: Bytes;
  prf: Bytes;
}

export interface Ops {
  create: [{ password: Bytes }, { recoveryCode: string }];
  unlock: [{ password: Bytes } | { recoveryCode: Bytes } | { passkey: PasskeyAnswer }, None];
  lock: [None, None];
  touch: [None, None];
  changePassword: [{ old: Bytes; next: Bytes; passkeys: PasskeyAnswer[] }, { recoveryCode: string }];
  recoveryRenew: [{ password: Bytes; passkeys: PasskeyAnswer[] }, { recoveryCode: string }];
  passkeyRequest: [None, PasskeyRequest];
  passkeysAdd: [PasskeyAnswer & { password: Bytes; prfSalt: Bytes; rpId: string; name: string }, PasskeyInfo];
  passkeysList: [None, { passkeys: PasskeyInfo[] }];
  passkeysRemove: [{ id: string; password: Bytes; passkeys: PasskeyAnswer[] }, { recoveryCode: string }];
  keysAdd: [
    { provider: string; key: Bytes; name?: string; expiresAt?: number | null; dailyCapUsd?: number | null },
    KeyInfo,
  ];
  keysList: [None, { keys: KeyInfo[] }];
  keysUpdate: [KeyChanges & { id: string }, KeyInfo];
  keysRotate: [{ id: string; key: Bytes }, KeyInfo];
  keysRemove: [{ id: string }, None];
  keysTest: [{ id: string; deep?: boolean }, KeyTest];
  keysReveal: [{ id: string; password: Bytes }, { key: Bytes }];
  keysImportEnv: [{ text: Bytes }, EnvImport];
  exportBackup: [{ password: Bytes }, { file: Bytes }];
  importBackup: [{ file: Bytes; password: Bytes }, { added: number; skipped: number }];
  rebind: [{ relay: string; password: Bytes }, None];
  destroy: [None, None];
  settings: [{ password?: Bytes; autoLockMinutes?: number; lockOnHide?: boolean }, Settings];
  usage: [{ since?: number }, { rows: UsageRow[] }];
  audit: [{ limit?: number }, { events: AuditEvent[] }];
  lease: [LeaseRequest, Lease];
}

export type OpName = keyof Ops;
export type OpArgs<K extends OpName> = Ops[K][0];
export type OpResult<K extends OpName> = Ops[K][1];

export interface OpRule {
  readonly capability: Capability;
  /** Runs while holding the vault's write lock, so that tabs do not overwrite each other. */
  readonly writes: boolean;
}

const read = (capability: Capability): OpRule => ({ capability, writes: false });
const write = (capability: Capability): OpRule => ({ capability, writes: true });

export const OPS: { readonly [K in OpName]: OpRule } = {
  create: write("owner"),
  unlock: read("owner"),
  lock: read("use"),
  touch: read("use"),
  changePassword: write("owner"),
  recoveryRenew: write("owner"),
  passkeyRequest: read("owner"),
  passkeysAdd: write("owner"),
  passkeysList: read("owner"),
  passkeysRemove: write("owner"),
  keysAdd: write("owner"),
  keysList: read("owner"),
  keysUpdate: write("owner"),
  keysRotate: write("owner"),
  keysRemove: write("owner"),
  keysTest: read("owner"),
  keysReveal: read("owner"),
  keysImportEnv: write("owner"),
  exportBackup: read("owner"),
  importBackup: write("owner"),
  rebind: write("owner"),
  destroy: write("owner"),
  settings: write("owner"),
  usage: read("use"),
  audit: read("owner"),
  lease: read("use"),
};

/** The rule of an operation, or undefined for anything that is not one. */
export function ruleOf(op: unknown): OpRule | undefined {
  return typeof op === "string" && Object.hasOwn(OPS, op) ? OPS[op as OpName] : undefined;
}

/** Whether a port of this capability may call it. */
export function allows(rule: OpRule, capability: Capability): boolean {
  return capability === "owner" || rule.capability === "use";
}
