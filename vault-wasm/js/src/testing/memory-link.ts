import type { Answer, BodySource, Link, LinkEvents } from "../client/link.js";
import { VaultError, type ErrorCode } from "../errors.js";
import type { OpArgs, OpName, OpResult, Ops } from "../ops.js";
import type { KeyInfo, Snapshot, VaultState } from "../types.js";
import type { Refusal, VaultEventType, WireRequest } from "../wire.js";
import { PROVIDERS, providerOf } from "./providers.js";

const IDLE_MS = 30 * 60_000;
const WARNING_MS = 60_000;
const RECOVERY_CODE = "TEST-TEST-TEST-TEST-TEST-TEST-TEST";

/** Answers a request that the vault lets through. It carries the headers the relay would get. */
export type Respond = (request: Request) => Response | Promise<Response>;

type StoredKey = { -readonly [K in keyof KeyInfo]: KeyInfo[K] } & { secret: string };

/** A vault in memory: the rules an app can see, none of the cryptography. */
export class MemoryLink implements Link {
  readonly #relay: URL;
  readonly #respond: Respond;
  readonly #keys: StoredKey[] = [];
  #events: LinkEvents | undefined;
  #state: VaultState = "empty";
  #password = "";
  #lockAt = 0;
  #ids = 0;
  #closed = false;

  constructor(relay: string, respond: Respond) {
    this.#relay = new URL(relay);
    this.#respond = respond;
  }

  get snapshot(): Snapshot {
    const open = this.#state === "unlocked";
    const providers = PROVIDERS.map(({ id, name, origin }) => ({
      id,
      name,
      origin,
      keyPage: `${origin}/keys`,
      hasKey: open && this.#keys.some((key) => key.provider === id && key.active),
    }));
    const lockAt = open ? this.#lockAt : null;
    return { state: this.#state, providers, lockAt, warnAt: lockAt && lockAt - WARNING_MS, damaged: [], persisted: null };
  }

  listen(events: LinkEvents): void {
    this.#events = events;
  }

  async call<K extends OpName>(op: K, args: OpArgs<K>): Promise<OpResult<K>> {
    if (this.#closed) throw new VaultError("closed", "This vault object was closed.");
    // A worker answers later, never within the call.
    await Promise.resolve();
    return this.#ops[op](args);
  }

  readonly #ops: { [K in OpName]: (args: Ops[K][0]) => Ops[K][1] } = {
    create: ({ password }) => {
      if (this.#state !== "empty") fail("vault_exists", "there is a vault already");
      this.#password = text(password);
      if (this.#password.length < 12) fail("weak_password", "the password needs 12 characters", "password");
      this.#open();
      return { recoveryCode: RECOVERY_CODE };
    },
    unlock: (way) => {
      if (this.#state === "empty") fail("no_vault", "there is no vault yet");
      if ("password" in way && text(way.password) !== this.#password) fail("wrong_password", "the password is wrong", "password");
      if ("recoveryCode" in way && text(way.recoveryCode) !== RECOVERY_CODE) {
        fail("wrong_recovery_code", "the recovery code does not open this vault", "recoveryCode");
      }
      this.#open();
      return {};
    },
    lock: () => {
      if (this.#state === "unlocked") {
        this.#state = "locked";
        this.#tell("lock", { reason: "requested" });
      }
      return {};
    },
    touch: () => {
      this.#lockAt = Date.now() + IDLE_MS;
      return {};
    },
    keysAdd: ({ provider, key, name, expiresAt = null, dailyCapUsd = null }) => {
      this.#needOpen();
      const secret = text(key).trim();
      const known = PROVIDERS.find(({ id }) => id === provider);
      if (!known) fail("unknown_provider", "unknown provider", "provider");
      if (!secret) fail("bad_key_format", "this cannot be an API key", "key");
      if (this.#keys.some((stored) => stored.secret === secret)) fail("duplicate_key", "this key is stored already", "key");
      const now = Date.now();
      const stored: StoredKey = {
        id: `key-${++this.#ids}`,
        provider,
        name: name ?? known.name,
        preview: secret.length < 24 ? "" : `${secret.slice(0, 4)}…${secret.slice(-4)}`,
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
      this.#keys.push(stored);
      this.#tell("change", null);
      return info(stored);
    },
    keysList: () => {
      this.#needOpen();
      return { keys: this.#keys.map(info) };
    },
    keysRemove: ({ id }) => {
      this.#needOpen();
      const at = this.#keys.findIndex((key) => key.id === id);
      if (at < 0) fail("not_found", "there is nothing with this id", "id");
      this.#keys.splice(at, 1);
      this.#tell("change", null);
      return {};
    },
  };

  async request(wire: WireRequest, signal: AbortSignal | null): Promise<Answer> {
    if (this.#closed) throw new VaultError("closed", "This vault object was closed.");
    const target = await this.#target(wire);
    if ("refusal" in target) return target;
    const { url, provider, key } = target;
    key.lastUsedAt = Date.now();
    const headers = new Headers(wire.headers);
    for (const name of ["authorization", "x-api-key", "x-goog-api-key"]) headers.delete(name);
    headers.set("x-byok-key", key.secret);
    headers.set("x-byok-provider", provider);
    const request = new Request(url, { method: wire.method, headers, body: wire.body });
    const response = await untilAborted(Promise.resolve(this.#respond(request)), signal);
    const head = { status: response.status, statusText: response.statusText, url, headers: [...response.headers] as [string, string][] };
    return { head, body: (response.body?.getReader() ?? null) as BodySource | null, done: () => undefined };
  }

  /** Where a request goes and with which key, or why it does not. */
  async #target(wire: WireRequest): Promise<{ url: string; provider: string; key: StoredKey } | { refusal: Refusal }> {
    const url = new URL(wire.url);
    const origin = PROVIDERS.find((known) => known.origin === url.origin);
    if (!origin && url.origin !== this.#relay.origin) fail("foreign_url", "the URL is neither the relay's nor a known provider's");
    const path = origin ? `/providers/${origin.id}${url.pathname}${url.search}` : url.pathname + url.search;
    const native = /^\/providers\/([a-z0-9-]+)\//.exec(path)?.[1];
    const provider = native ?? providerOf(await modelIn(wire.body));
    const refuse = (status: number, code: string, message: string, reason: string) => ({
      refusal: { status, code, message, reason, provider, kind: status === 401 ? "authentication_error" : "invalid_request_error" },
    });
    if (this.#state === "locked") return refuse(423, "locked", "The vault is locked", "locked");
    const key = this.#keys.find((stored) => stored.provider === provider && stored.active);
    if (!key) {
      const reason = this.#state === "empty" ? "empty" : "missing";
      return refuse(401, "missing_key", "No API key for this provider", reason);
    }
    return { url: new URL(path, this.#relay).href, provider, key };
  }

  share(): MessagePort {
    return fail("closed", "A vault in memory has no ports.");
  }

  hidden(): void {}

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#events?.gone(new VaultError("closed", "This vault object was closed."));
  }

  #open(): void {
    this.#state = "unlocked";
    this.#lockAt = Date.now() + IDLE_MS;
    this.#tell("unlock", null);
  }

  #needOpen(): void {
    if (this.#state === "empty") fail("no_vault", "there is no vault yet");
    if (this.#state === "locked") fail("locked", "the vault is locked");
  }

  #tell(type: VaultEventType, detail: unknown): void {
    this.#events?.snapshot(this.snapshot);
    this.#events?.event(type, detail);
  }
}

function fail(code: ErrorCode, message: string, field?: string): never {
  throw new VaultError(code, message, { field });
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

function info({ secret: _, ...rest }: StoredKey): KeyInfo {
  return rest;
}

async function modelIn(body: WireRequest["body"]): Promise<string> {
  try {
    const json: { model?: unknown } = JSON.parse(await new Response(body).text());
    return String(json.model ?? "");
  } catch {
    return "";
  }
}

function untilAborted<T>(work: Promise<T>, signal: AbortSignal | null): Promise<T> {
  return new Promise((resolve, reject) => {
    signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
    work.then(resolve, reject);
  });
}
