import { VaultError, type ErrorCode } from "../errors.js";
import type { OpName, Ops } from "../ops.js";
import type { KeyInfo, VaultState } from "../types.js";
import { PROVIDERS } from "./providers.js";

const IDLE_MS = 30 * 60_000;
const RECOVERY_CODE = "TEST-TEST-TEST-TEST-TEST-TEST-TEST";
const MIN_PASSWORD = 12;
const MIN_PREVIEW = 24;
const MAX_LEASE_SECONDS = 300;

/** A key and what is known about it. */
export type StoredKey = { -readonly [K in keyof KeyInfo]: KeyInfo[K] } & { secret: string };

/** State and operations of a vault in memory: the rules an app can see, none of the cryptography. */
export class MemoryVault {
  state: VaultState = "empty";
  /** Milliseconds since the epoch. */
  lockAt = 0;
  readonly keys: StoredKey[] = [];
  readonly #tell: (type: "lock" | "unlock" | "change", detail: unknown) => void;
  readonly #settings = { autoLockMinutes: 30, lockOnHide: false, createdAt: Date.now(), exportedAt: null, relayPinned: false };
  #password = "";
  #ids = 0;

  constructor(tell: (type: "lock" | "unlock" | "change", detail: unknown) => void) {
    this.#tell = tell;
  }

  readonly ops: { [K in OpName]: (args: Ops[K][0]) => Ops[K][1] } = {
    create: ({ password }) => {
      if (this.state !== "empty") fail("vault_exists", "there is a vault already");
      this.#password = strong(password);
      this.#open();
      return { recoveryCode: RECOVERY_CODE };
    },
    unlock: (way) => {
      if (this.state === "empty") fail("no_vault", "there is no vault yet");
      if ("password" in way) this.#check(way.password);
      else if ("passkey" in way) fail("wrong_passkey", "the passkey does not open this vault");
      else if (text(way.recoveryCode) !== RECOVERY_CODE) {
        fail("wrong_recovery_code", "the recovery code does not open this vault", "recoveryCode");
      }
      this.#open();
      return {};
    },
    repair: ({ drop: _, ...way }) => {
      this.ops.unlock(way);
      return { relisted: false, found: [], keys: this.keys.map(info), dropped: [] };
    },
    lock: () => {
      if (this.state === "unlocked") {
        this.state = "locked";
        this.#tell("lock", { reason: "requested" });
      }
      return {};
    },
    touch: () => {
      this.lockAt = Date.now() + IDLE_MS;
      return {};
    },
    changePassword: ({ old, next }) => {
      this.#needOpen();
      // As in the vault, the code will do for whoever has forgotten the password.
      if (text(old) !== RECOVERY_CODE) this.#check(old);
      this.#password = strong(next);
      return { recoveryCode: RECOVERY_CODE };
    },
    recoveryRenew: ({ password }) => {
      this.#needOpen();
      this.#check(password);
      return { recoveryCode: RECOVERY_CODE };
    },
    passkeyRequest: () => fail("passkey_failed", "A vault in memory has no passkeys."),
    passkeysAdd: () => fail("passkey_failed", "A vault in memory has no passkeys."),
    passkeysList: () => ({ passkeys: [] }),
    passkeysRemove: () => fail("not_found", "there is nothing with this id", "id"),
    keysAdd: ({ key, ...fields }) => info(this.#add(text(key), fields)),
    keysList: () => {
      this.#needOpen();
      return { keys: this.keys.map(info) };
    },
    keysUpdate: ({ id, ...changes }) => {
      const key = this.#find(id);
      if (changes.name !== undefined && this.#named(key.provider, changes.name, key)) {
        fail("duplicate_name", "another key of this provider has this name", "name");
      }
      Object.assign(key, changes, { updatedAt: Date.now() });
      key.refusal = key.active ? null : "inactive";
      this.#tell("change", null);
      return info(key);
    },
    keysRotate: ({ id, key }) => {
      const stored = this.#find(id);
      const secret = this.#fresh(text(key));
      Object.assign(stored, { secret, preview: preview(secret), updatedAt: Date.now(), status: "valid" });
      this.#tell("change", null);
      return info(stored);
    },
    keysRemove: ({ id }) => {
      this.keys.splice(this.keys.indexOf(this.#find(id)), 1);
      this.#tell("change", null);
      return {};
    },
    keysTest: ({ id }) => {
      Object.assign(this.#find(id), { status: "valid", lastTestedAt: Date.now() });
      this.#tell("change", null);
      return { verdict: "valid", latencyMs: 1 };
    },
    keysReveal: ({ id, password }) => {
      const { secret } = this.#find(id);
      this.#check(password);
      return { key: new TextEncoder().encode(secret) };
    },
    keysImportEnv: (args) => {
      this.#needOpen();
      const added: KeyInfo[] = [];
      const skipped: { line: number; reason: string }[] = [];
      for (const [at, line] of text(args.text).split("\n").entries()) {
        const [, name = "", value = ""] = /^\s*(?:export\s+)?(\w+)\s*=\s*["']?([^"'\s]+)/.exec(line) ?? [];
        const provider = PROVIDERS.find(({ id }) => name.toLowerCase().startsWith(id));
        if (!provider) continue;
        try {
          added.push(info(this.#add(value, { provider: provider.id })));
        } catch (error) {
          skipped.push({ line: at + 1, reason: (error as VaultError).code });
        }
      }
      return { added, skipped };
    },
    exportBackup: ({ filePassword, password }) => {
      this.#needOpen();
      const chosen = strong(filePassword);
      this.#check(password);
      const keys = this.keys.map(({ provider, name, secret }) => ({ provider, name, secret }));
      return { file: new TextEncoder().encode(JSON.stringify({ password: chosen, keys })) };
    },
    importBackup: ({ file, password }) => {
      this.#needOpen();
      const backup = parse(text(file));
      if (backup.password !== text(password)) fail("wrong_password", "the password is wrong", "password");
      const fresh = backup.keys.filter(({ secret }) => !this.keys.some((key) => key.secret === secret));
      for (const { provider, secret } of fresh) this.#add(secret, { provider });
      return { added: fresh.length, known: backup.keys.length - fresh.length };
    },
    rebind: ({ password }) => {
      this.#check(password);
      return { recoveryCode: RECOVERY_CODE };
    },
    settings: ({ password, ...changes }) => {
      this.#needOpen();
      if (password) this.#check(password);
      return Object.assign(this.#settings, changes);
    },
    usage: () => {
      this.#needOpen();
      return { rows: [] };
    },
    audit: () => {
      this.#needOpen();
      return { events: [] };
    },
    lease: ({ provider, ttlSeconds = MAX_LEASE_SECONDS }) => {
      this.#needOpen();
      if (!this.keys.some((key) => key.provider === provider)) fail("not_found", "there is nothing with this id");
      const id = `lease-${++this.#ids}`;
      return { id, handle: `kfl_${id}.test`, provider, expiresAt: Date.now() + ttlSeconds * 1000 };
    },
    destroy: () => {
      this.state = "empty";
      this.keys.length = 0;
      this.#tell("change", null);
      return {};
    },
  };

  #add(pasted: string, { provider, name, expiresAt = null, dailyCapUsd = null }: Omit<Ops["keysAdd"][0], "key">): StoredKey {
    this.#needOpen();
    const known = PROVIDERS.find(({ id }) => id === provider);
    if (!known) return fail("unknown_provider", "unknown provider", "provider");
    const secret = this.#fresh(pasted);
    if (name !== undefined && this.#named(provider, name)) {
      fail("duplicate_name", "another key of this provider has this name", "name");
    }
    const now = Date.now();
    const key: StoredKey = {
      id: `key-${++this.#ids}`,
      provider,
      name: name ?? (this.#named(provider, known.name) ? `${known.name} ${this.#ids}` : known.name),
      preview: preview(secret),
      active: true,
      knownShape: true,
      createdAt: now,
      updatedAt: now,
      lastUsedAt: null,
      lastTestedAt: null,
      status: "unknown",
      expiresAt,
      dailyCapUsd,
      refusal: null,
      damaged: null,
      secret,
    };
    this.keys.push(key);
    this.#tell("change", null);
    return key;
  }

  #fresh(pasted: string): string {
    const secret = pasted.trim().replace(/^(["'])(.*)\1$/, "$2");
    if (!secret) fail("bad_key_format", "this cannot be an API key", "key");
    if (this.keys.some((key) => key.secret === secret)) fail("duplicate_key", "this key is stored already", "key");
    return secret;
  }

  #find(id: string): StoredKey {
    this.#needOpen();
    return this.keys.find((key) => key.id === id) ?? fail("not_found", "there is nothing with this id", "id");
  }

  #named(provider: string, name: string, except?: StoredKey): boolean {
    return this.keys.some((key) => key !== except && key.provider === provider && key.name === name);
  }

  #open(): void {
    this.state = "unlocked";
    this.lockAt = Date.now() + IDLE_MS;
    this.#tell("unlock", null);
  }

  #check(password: Uint8Array): void {
    if (text(password) !== this.#password) fail("wrong_password", "the password is wrong", "password");
  }

  #needOpen(): void {
    if (this.state === "empty") fail("no_vault", "there is no vault yet");
    if (this.state === "locked") fail("locked", "the vault is locked");
  }
}

/** Throws the error the vault would. */
export function fail(code: ErrorCode, message: string, field?: string): never {
  throw new VaultError(code, message, { field });
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

function strong(password: Uint8Array): string {
  const chosen = text(password);
  if (chosen.length < MIN_PASSWORD) fail("weak_password", "the password needs 12 characters", "password");
  return chosen;
}

function preview(secret: string): string {
  return secret.length < MIN_PREVIEW ? "" : `${secret.slice(0, 4)}…${secret.slice(-4)}`;
}

function info({ secret: _, ...rest }: StoredKey): KeyInfo {
  return rest;
}

function parse(file: string): { password: string; keys: { provider: string; secret: string }[] } {
  try {
    return JSON.parse(file);
  } catch {
    return fail("bad_backup", "this is not a backup of a vault, or it is damaged", "file");
  }
}
