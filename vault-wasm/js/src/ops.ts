/**
 * Every operation of the vault, once: what it takes and gives, who may call
 * it, whether it writes. The client's methods and the worker's gate are both
 * typed by this table.
 */
import type { KeyInfo } from "./types.js";
import type { Capability } from "./wire.js";

type Bytes = Uint8Array<ArrayBuffer>;
type None = Record<string, never>;

export interface Ops {
  create: [{ password: Bytes }, { recoveryCode: string }];
  unlock: [{ password: Bytes } | { recoveryCode: Bytes } | { passkey: { credentialId: Bytes; prf: Bytes } }, None];
  lock: [None, None];
  touch: [None, None];
  keysAdd: [
    { provider: string; key: Bytes; name?: string; expiresAt?: number | null; dailyCapUsd?: number | null },
    KeyInfo,
  ];
  keysList: [None, { keys: KeyInfo[] }];
  keysRemove: [{ id: string }, None];
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
  keysAdd: write("owner"),
  keysList: read("owner"),
  keysRemove: write("owner"),
};

/** The rule of an operation, or undefined for anything that is not one. */
export function ruleOf(op: unknown): OpRule | undefined {
  return typeof op === "string" && Object.hasOwn(OPS, op) ? OPS[op as OpName] : undefined;
}

/** Whether a port of this capability may call it. */
export function allows(rule: OpRule, capability: Capability): boolean {
  return capability === "owner" || rule.capability === "use";
}
