/**
 * Every operation of the vault, once: what it takes and gives, who may call
 * it, whether it writes. The client's methods and the worker's gate are both
 * typed by this table.
 */
import type {
  AuditEvent,
  BackupImport,
  EnvImport,
  KeyChanges,
  KeyInfo,
  KeyTest,
  Lease,
  LeaseRequest,
  PasskeyInfo,
  Repair,
  Settings,
  UsageRow,
} from "./types.js";
import type { Capability } from "./wire.js";

type Bytes = Uint8Array<ArrayBuffer>;
type None = Record<string, never>;

/** A passkey slot as a ceremony needs it. */
export interface PasskeySlot extends PasskeyInfo {
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

/** What opens a slot. */
type Proof = { password: Bytes } | { recoveryCode: Bytes } | { passkey: PasskeyAnswer };

export interface Ops {
  create: [{ password: Bytes }, { recoveryCode: string }];
  unlock: [Proof, None];
  repair: [Proof & { drop?: boolean }, Repair];
  lock: [None, None];
  touch: [None, None];
  changePassword: [{ old: Bytes; next: Bytes; passkeys: PasskeyAnswer[] }, { recoveryCode: string }];
  recoveryRenew: [{ password: Bytes; passkeys: PasskeyAnswer[] }, { recoveryCode: string }];
  passkeyRequest: [None, PasskeyRequest];
  passkeysAdd: [PasskeyAnswer & { password: Bytes; prfSalt: Bytes; name: string }, PasskeySlot];
  passkeysList: [None, { passkeys: PasskeySlot[] }];
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
  exportBackup: [{ filePassword: Bytes; password: Bytes }, { file: Bytes }];
  importBackup: [{ file: Bytes; password: Bytes }, BackupImport];
  rebind: [{ relay: string; password: Bytes; passkeys: PasskeyAnswer[] }, { recoveryCode: string }];
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
  /** Changes the vault, or its settings: the other tabs hear that it is in use. */
  readonly writes: boolean;
  /** Talks to the relay, which may want the app's token. */
  readonly online: boolean;
  /** Locks the vault in passing: that lock does not cut it short. */
  readonly locks: boolean;
}

const rule = (capability: Capability, more: Partial<OpRule> = {}): OpRule => ({
  writes: false,
  online: false,
  locks: false,
  ...more,
  capability,
});
const read = (capability: Capability): OpRule => rule(capability);
const write = (capability: Capability): OpRule => rule(capability, { writes: true });
const close = (capability: Capability): OpRule => rule(capability, { writes: true, locks: true });
/** Nothing that waits for the network holds up other tabs: what these write is small and merged. */
const online = (capability: Capability): OpRule => rule(capability, { online: true });

export const OPS: { readonly [K in OpName]: OpRule } = {
  create: write("owner"),
  unlock: read("owner"),
  repair: write("owner"),
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
  keysRotate: online("owner"),
  keysRemove: write("owner"),
  keysTest: online("owner"),
  keysReveal: read("owner"),
  keysImportEnv: write("owner"),
  exportBackup: read("owner"),
  importBackup: write("owner"),
  rebind: close("owner"),
  destroy: close("owner"),
  settings: write("owner"),
  usage: read("use"),
  audit: read("owner"),
  lease: online("use"),
};

/** The rule of an operation, or undefined for anything that is not one. */
export function ruleOf(op: unknown): OpRule | undefined {
  return typeof op === "string" && Object.hasOwn(OPS, op) ? OPS[op as OpName] : undefined;
}

/** Whether a port of this capability may call it. */
export function allows(rule: OpRule, capability: Capability): boolean {
  return capability === "owner" || rule.capability === "use";
}
