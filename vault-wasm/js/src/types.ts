export type * from "./jobs/types.js";

/** Whether there is a vault, and whether its keys can be used now. */
export type VaultState = "empty" | "locked" | "unlocked";

/** A provider of the catalogue, and whether the vault holds an active key of it. */
export interface Provider {
  /** `openai`, `anthropic`, … */
  readonly id: string;
  /** For people: `OpenAI`. */
  readonly name: string;
  /** Where its own API lives, for instance `https://api.openai.com`. */
  readonly origin: string;
  /** Where a person makes a key. */
  readonly keyPage: string;
  /** False while the vault is locked: a locked vault does not tell what it holds. */
  readonly hasKey: boolean;
}

/** What a page can show of the vault. The same object until something in it changes. */
export interface Snapshot {
  readonly state: VaultState;
  readonly providers: readonly Provider[];
  /** When the vault will lock if nothing uses it: milliseconds since the epoch, null while not unlocked. */
  readonly lockAt: number | null;
  /** When the `lockwarning` event is due: milliseconds since the epoch, null while not unlocked. */
  readonly warnAt: number | null;
  /**
   * Stored records that cannot be read; the others work on. Known while unlocked, and of a locked
   * vault the keys that kept it from being bound to another relay.
   */
  readonly damaged: readonly Damage[];
  /** Whether the browser promised not to evict the vault; null before it was asked. */
  readonly persisted: boolean | null;
}

/** A stored record that is not as it should be. */
export interface Damage {
  /** Of the key, where it is about one. */
  readonly id: string;
  /** What it is about: `key`, `settings`, `usage`, `audit`, or `slot`, a way of unlocking. */
  readonly record: string;
  /** `missing`, `rolled_back`, `corrupt`, `future_version`, `foreign`. */
  readonly kind: string;
}

/** How a key fared when it was last tested or used. */
export type KeyStatus =
  | "unknown"
  | "valid"
  | "invalid"
  | "wrong_scope"
  | "no_credit"
  | "rate_limited"
  | "deprecated_format"
  | "unreachable";

/** Everything there is to know about a key except the key. Times are milliseconds since the epoch. */
export interface KeyInfo {
  readonly id: string;
  readonly provider: string;
  readonly name: string;
  /** `sk-p…wxyz`; empty for keys under 24 characters, of which it would tell too much. */
  readonly preview: string;
  /** Only active keys are used. */
  readonly active: boolean;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly lastUsedAt: number | null;
  readonly lastTestedAt: number | null;
  readonly status: KeyStatus;
  readonly expiresAt: number | null;
  /**
   * What this key may cost a day (UTC), in US dollars. Looked at before sending: nothing is sent once what the answers
   * cost has reached it, or would if each request under way costs what those before did on average. A request goes out
   * whole, so the last one may pass the cap by its own cost; so may those begun together with the first that this key is
   * ever used for, since nobody knows yet what they cost. An answer without a price of the relay's or a cost of the
   * provider's counts as free. Where a cap has to be exact, the relay's own is.
   */
  readonly dailyCapUsd: number | null;
  /** False when it does not look like this provider's keys: worth a warning, never a refusal. */
  readonly knownShape: boolean;
  /** Why requests do not use it, null when they do: `inactive`, `expired`, `daily_cap`, … */
  readonly refusal: string | null;
  /** Why it cannot be read, null when it can. */
  readonly damaged: string | null;
}

/** A secret as text or as UTF-8 bytes. Bytes are copied; the caller can wipe its own. */
export type SecretInput = string | Uint8Array;

/** Fields of `keys.add`. */
export interface NewKey {
  /** Catalogue id. */
  provider: string;
  /** White space and quotes around it are dropped. */
  key: SecretInput;
  /** Unique per provider; one is made up when absent. */
  name?: string;
  /** Milliseconds since the epoch. */
  expiresAt?: number | null;
  /** US dollars a day (UTC). */
  dailyCapUsd?: number | null;
}

/** Fields of `keys.update`; absent ones stay as they are. */
export interface KeyChanges {
  name?: string;
  active?: boolean;
  expiresAt?: number | null;
  dailyCapUsd?: number | null;
}

/** What a test of a key found out. */
export interface KeyTest {
  readonly verdict: Exclude<KeyStatus, "unknown">;
  /** From the relay to the provider and back, in milliseconds. */
  readonly latencyMs: number;
  /** In words, where there is more to say. */
  readonly detail?: string | null;
  /** Models the key can use, where the provider tells. */
  readonly models?: readonly string[] | null;
  /** What is left, in US dollars, where the provider tells. */
  readonly credit?: number | null;
}

/** What became of the lines of an `.env` file. */
export interface EnvImport {
  readonly added: readonly KeyInfo[];
  /** Lines that look like keys and were not taken; counted from 1. */
  readonly skipped: readonly { readonly line: number; readonly reason: string }[];
}

/** What came out of a backup. */
export interface BackupImport {
  /** Keys that came. */
  readonly added: number;
  /** Keys that were here already. */
  readonly known: number;
}

/** What a repair found and left. */
export interface Repair {
  /**
   * The vault's list of its records was damaged, gone or outdated, and was made anew of those there
   * are: a key may be an older one than you had last, or one you had removed.
   */
  readonly relisted: boolean;
  /** What was wrong. Keys that are older than they should be (`rolled_back`) are switched off. */
  readonly found: readonly Damage[];
  /** All keys there are now, those that cannot be read (`damaged`) included. */
  readonly keys: readonly KeyInfo[];
  /** Keys that were deleted because they cannot be read, as was asked for with `drop`. */
  readonly dropped: readonly KeyInfo[];
}

/** A passkey that opens the vault. Times are milliseconds since the epoch. */
export interface PasskeyInfo {
  readonly id: string;
  readonly name: string;
  readonly createdAt: number;
}

/** What a change of the vault key does with the passkeys: one tap each, or none and they are gone. */
export interface RekeyOptions {
  /** Default `"drop"`. */
  passkeys?: "keep" | "drop";
}

/** What one key was used for on one day. */
export interface UsageRow {
  readonly keyId: string;
  readonly provider: string;
  /** Start of the UTC day in milliseconds since the epoch; 0 for the sum of days too old to be kept apart. */
  readonly day: number;
  readonly requests: number;
  /** Of these, answered with an error. */
  readonly errors: number;
  /** Of these, counts that are estimates. */
  readonly estimated: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** US dollars, as far as known. */
  readonly costUsd: number;
}

/** One thing that was done with the vault. */
export interface AuditEvent {
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** `created`, `unlocked`, `key_added`, `request`, … */
  readonly action: string;
  /** Of the key or passkey it was done with. */
  readonly id: string | null;
  /** For `request` the answer's status, for `imported` the number of keys, and so on. */
  readonly number: number;
}

/** What a person can set. */
export interface Settings {
  /** Minutes without use before the vault locks, 1–1440. */
  readonly autoLockMinutes: number;
  /** Lock as soon as no page of the vault is visible. */
  readonly lockOnHide: boolean;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /** When a backup was last exported: milliseconds since the epoch, null if never. */
  readonly exportedAt: number | null;
  /** Whether the relay's identity key is pinned. */
  readonly relayPinned: boolean;
}

/** What a lease is asked for. */
export interface LeaseRequest {
  /** Catalogue id. */
  provider: string;
  /** At most 300, which is the default. */
  ttlSeconds?: number;
  /** What the lease may cost, in US dollars. */
  maxUsd?: number;
  /** The only models it is good for. */
  models?: string[];
}

/** A short-lived stand-in for a key, for the app's own server or workers: sent as `X-BYOK-Lease`. */
export interface Lease {
  readonly id: string;
  /** A secret worth as much as the lease: treat it as one. */
  readonly handle: string;
  readonly provider: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

/** How to open the vault. */
export type Unlock =
  | { password: SecretInput }
  | { recoveryCode: SecretInput }
  /** Asks the browser for one of the vault's passkeys. */
  | { passkey: true };

/** Detail of the `keyneeded` event: a request was refused for want of a usable key. */
export interface KeyNeeded {
  /** Absent when the request names none, as while locked. */
  readonly provider?: string;
  /** `empty`, `locked`, `missing`, `inactive`, `expired`, `daily_cap`, `damaged`. */
  readonly reason: string;
}

/** Detail of each event of a vault. */
export interface VaultEvents {
  /** `requested`, `idle`, `max_age`, `hidden`, `clock`, `rekeyed`, `storage_lost`, `rolled_back`, `fault`. */
  lock: { readonly reason: string };
  unlock: null;
  change: null;
  keyneeded: KeyNeeded;
  keyexpiring: { readonly id: string; readonly expiresAt: number };
  lockwarning: { readonly lockAt: number };
}

/** How to reach a vault. */
export interface OpenOptions {
  /** The relay's base URL; relative ones are resolved against the page. Keys go nowhere else. */
  relay: string | URL;
  /** Which vault of this origin. Default `"default"`. */
  name?: string;
  /**
   * Where the vault runs: in a frame on the relay's vault origin, out of the
   * app's reach, or in a worker on the page's own origin. Default: in the
   * frame when the relay's well-known document names a vault origin.
   */
  mode?: "frame" | "page";
  /** Minutes without use before the vault locks, 1–1440 (in the frame at most 30). Default 30; a stored setting wins. */
  autoLockMinutes?: number;
  /** The app's own bearer token for the relay. Asked for each request, and once more when the relay says it expired. */
  appToken?: () => Promise<string> | string;
  /** The relay's identity key (Ed25519, base64url), to pin it from the start. */
  relayKey?: string;
  /** One worker for all tabs, or one per tab. Default: shared where the browser has it. */
  worker?: "auto" | "shared" | "dedicated";
  /** Where `worker.js` is served, when not beside this module. Must be of the page's origin. */
  workerUrl?: string | URL;
  /** Where `keyferry.wasm` is served, when not beside this module. */
  wasmUrl?: string | URL;
  /** A port from another page's `vault.share()`, instead of a worker of one's own. It has the `use` capability. */
  port?: MessagePort;
  /** Ask the worker for a port that can use the vault but not manage it. Default `"owner"`. */
  capability?: "owner" | "use";
}
