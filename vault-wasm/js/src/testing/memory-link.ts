import type { Answer, BodySource, Link, LinkEvents, OnProgress } from "../client/link.js";
import { until } from "../client/until.js";
import { VaultError } from "../errors.js";
import type { OpArgs, OpName, OpResult } from "../ops.js";
import type { Snapshot } from "../types.js";
import type { Refusal, WireRequest } from "../wire.js";
import { MemoryJobs } from "./memory-jobs.js";
import { MemoryVault, fail, type StoredKey } from "./memory-vault.js";
import { PROVIDERS, providerOf } from "./providers.js";

const WARNING_MS = 60_000;
/** Credentials an SDK sets, which never leave the page. */
const CREDENTIALS = ["authorization", "x-api-key", "x-goog-api-key"];

/** Answers a request that the vault lets through. It carries the headers the relay would get. */
export type Respond = (request: Request) => Response | Promise<Response>;

/** The way to a vault in memory. */
export class MemoryLink implements Link {
  readonly #relay: URL;
  readonly #respond: Respond;
  readonly #vault: MemoryVault;
  readonly #jobs = new MemoryJobs((path, body, provider) => this.#send(path, body, provider));
  #events: LinkEvents | undefined;
  #closed: VaultError | undefined;

  constructor(relay: string, respond: Respond) {
    this.#relay = new URL(relay);
    this.#respond = respond;
    this.#vault = new MemoryVault((type, detail) => {
      this.#events?.snapshot(this.snapshot);
      this.#events?.event(type, detail);
    });
  }

  get snapshot(): Snapshot {
    const { state, keys, lockAt: deadline } = this.#vault;
    const open = state === "unlocked";
    const providers = PROVIDERS.map(({ id, name, origin }) => ({
      id,
      name,
      origin,
      keyPage: `${origin}/keys`,
      hasKey: open && keys.some((key) => key.provider === id && key.active),
    }));
    const lockAt = open ? deadline : null;
    return { state, providers, lockAt, warnAt: lockAt && lockAt - WARNING_MS, damaged: [], persisted: null };
  }

  listen(events: LinkEvents): void {
    this.#events = events;
  }

  async call<K extends OpName>(op: K, args: OpArgs<K>): Promise<OpResult<K>> {
    if (this.#closed) throw this.#closed;
    // A worker answers later, never within the call.
    await Promise.resolve();
    return this.#vault.ops[op](args);
  }

  async request(wire: WireRequest, signal: AbortSignal | null, progress?: OnProgress): Promise<Answer> {
    if (this.#closed) throw this.#closed;
    if (wire.body instanceof Blob) progress?.({ loaded: wire.body.size, total: wire.body.size });
    const own = await this.#ownAnswer(wire);
    if (own) return answerOf(own, wire.url);
    const target = await this.#target(wire);
    if ("refusal" in target) return target;
    const { url, key } = target;
    const headers = new Headers(wire.headers);
    for (const name of CREDENTIALS) headers.delete(name);
    const request = withKey(new Request(url, { method: wire.method, headers, body: wire.body }), key);
    return answerOf(await until(signal, Promise.resolve(this.#respond(request))), url);
  }

  /** What the relay answers by itself, without a key. */
  async #ownAnswer({ url, method, headers, body }: WireRequest): Promise<Response | undefined> {
    const { origin, pathname } = new URL(url);
    if (origin !== this.#relay.origin) return undefined;
    if (pathname.startsWith("/v1/leases/")) return new Response(null, { status: 204 });
    if (!/^\/v1\/jobs(\/|$)/.test(pathname)) return undefined;
    return this.#jobs.answer(method, pathname, new Headers(headers), body);
  }

  /** A job's request to the provider. It goes on while the vault is locked: its lease is at the relay. */
  async #send(path: string, body: string | FormData, provider: string): Promise<Response> {
    const key = this.#vault.keys.find((stored) => stored.provider === provider);
    if (!key) return Response.json({}, { status: 401 });
    const headers: HeadersInit = typeof body === "string" ? { "content-type": "application/json" } : {};
    return this.#respond(withKey(new Request(new URL(path, this.#relay), { method: "POST", headers, body }), key));
  }

  /** Where a request goes and with which key, or why it does not. */
  async #target(wire: WireRequest): Promise<{ url: string; key: StoredKey } | { refusal: Refusal }> {
    const { state, keys } = this.#vault;
    const url = new URL(wire.url);
    const known = PROVIDERS.find(({ origin }) => origin === url.origin);
    if (!known && url.origin !== this.#relay.origin) {
      fail("foreign_url", "the URL is neither the relay's nor a known provider's");
    }
    const path = known ? `/providers/${known.id}${url.pathname}${url.search}` : url.pathname + url.search;
    const native = /^\/providers\/([a-z0-9-]+)\//.exec(path)?.[1];
    const provider = native ?? providerOf(await modelIn(wire.body));
    if (state === "locked") {
      const kind = "invalid_request_error";
      return { refusal: { status: 423, code: "locked", message: "The vault is locked", kind, provider, reason: "locked" } };
    }
    const key = keys.find((stored) => stored.provider === provider && stored.active);
    if (key) return { url: new URL(path, this.#relay).href, key };
    const reason = state === "empty" ? "empty" : "missing";
    const kind = "authentication_error";
    return { refusal: { status: 401, code: "missing_key", message: "No API key for this provider", kind, provider, reason } };
  }

  share(): MessagePort {
    return fail("forbidden", "A vault in memory has no ports.");
  }

  hidden(): void {}

  close(): void {
    if (this.#closed) return;
    this.#closed = new VaultError("closed", "This vault object was closed.");
    this.#events?.gone(this.#closed);
  }
}

/** The request as the relay gets it. */
function withKey(request: Request, key: StoredKey): Request {
  key.lastUsedAt = Date.now();
  request.headers.set("x-byok-key", key.secret);
  request.headers.set("x-byok-provider", key.provider);
  return request;
}

function answerOf(response: Response, url: string): Answer {
  const { status, statusText, headers, body } = response;
  const head = { status, statusText, url, headers: [...headers] as [string, string][] };
  return { head, body: body && sourceOf(body), done: () => undefined };
}

function sourceOf(stream: ReadableStream<Uint8Array>): BodySource {
  const reader = stream.getReader() as ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;
  return { read: () => reader.read(), cancel: () => reader.cancel().catch(() => undefined) };
}

async function modelIn(body: WireRequest["body"]): Promise<string> {
  try {
    const json: { model?: unknown } = JSON.parse(await new Response(body).text());
    return String(json.model ?? "");
  } catch {
    return "";
  }
}
