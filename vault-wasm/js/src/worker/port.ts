import type { Failure } from "../errors.js";
import { allows, ruleOf, type OpArgs, type OpName, type OpRule } from "../ops.js";
import type { Capability, Hello, ToPage, ToWorker, WireRequest } from "../wire.js";
import { PROTOCOL_VERSION } from "../wire.js";
import { toFailure } from "./failure.js";
import type { Online } from "./glue.js";
import type { Host } from "./host.js";
import { pumpChunks, type Pump } from "./pump.js";
import { upload } from "./upload.js";

interface Running {
  readonly abort: AbortController;
  pump?: Pump;
}

const FORBIDDEN: Failure = { code: "forbidden", message: "This port may use the vault, not manage it." };
const NOT_UNDERSTOOD: Failure = { code: "bad_argument", message: "The worker does not know this message." };
const NO_TOKEN: Failure = { code: "network", message: "The app gave no token." };

/** One page's end of the conversation: what it may do, and what it has running. */
export class Port {
  hidden = false;
  readonly #host: Host;
  readonly #port: MessagePort;
  readonly #running = new Map<number, Running>();
  /** Waiting for the app's token, by the id of the call that wants it. */
  readonly #tokens = new Map<number, (token: string | null) => void>();
  readonly #granted: boolean;
  #token = false;
  /** Ports this one gave away: they end with it, since their own pages may be of other origins, whose locks cannot be seen here. */
  readonly #grants: Port[] = [];
  #capability: Capability;
  #state: "new" | "opening" | "open" | "closed" = "new";

  /** A `granted` port was given away by an owner: it can use the vault and nothing else, whatever it says. */
  constructor(host: Host, port: MessagePort, granted: boolean) {
    this.#host = host;
    this.#port = port;
    this.#granted = granted;
    this.#capability = "use";
    port.onmessage = ({ data }) => this.#receive(data);
    port.addEventListener("close", () => this.close());
    port.start();
  }

  get closed(): boolean {
    return this.#state === "closed";
  }

  post(message: ToPage, transfer: Transferable[] = []): void {
    if (this.#state !== "closed") this.#port.postMessage(message, transfer);
  }

  /** Ends every request of this page; its streams fail rather than end. */
  abortAll(): void {
    // Not an AbortError: SDKs take that for the app's own doing and end the stream as if it were complete.
    const reason = new DOMException("The vault was locked.", "NetworkError");
    for (const running of this.#running.values()) running.abort.abort(reason);
  }

  retire(failure: Failure): void {
    this.post({ t: "retired", failure });
    this.close();
  }

  close(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    for (const { abort } of this.#running.values()) abort.abort();
    for (const give of this.#tokens.values()) give(null);
    this.#running.clear();
    for (const grant of this.#grants) grant.close();
    this.#port.close();
    this.#host.leave(this);
  }

  #receive(message: Partial<ToWorker> | null): void {
    if (typeof message !== "object" || message === null) return;
    if (message.t === "hello") {
      if (this.#state === "new") void this.#hello(message as Hello);
      return;
    }
    if (message.t === "bye") return this.close();
    if (this.#state !== "open") return;
    switch (message.t) {
      case "call":
        void this.#call(message);
        break;
      case "fetch":
        void this.#fetch(message);
        break;
      case "abort":
        this.#release(message.id, true);
        break;
      case "done":
        this.#release(message.id, false);
        break;
      case "pull":
        this.#running.get(message.id as number)?.pump?.allow(Number(message.chunks));
        break;
      case "token":
        this.#tokens.get(message.id as number)?.(typeof message.value === "string" ? message.value : null);
        break;
      case "hidden":
        this.hidden = message.hidden === true;
        this.#host.hiddenChanged();
        break;
      case "share":
        // Whoever gets the other end can use the vault, never manage it.
        if (message.port instanceof MessagePort) this.#grants.push(new Port(this.#host, message.port, true));
        break;
    }
  }

  async #hello(hello: Hello): Promise<void> {
    this.#state = "opening";
    this.post({ t: "alive", v: PROTOCOL_VERSION });
    try {
      if (!wellFormed(hello)) throw NOT_UNDERSTOOD;
      if (hello.capability === "owner" && !this.#granted) this.#capability = "owner";
      this.#token = hello.token === true;
      this.hidden = hello.hidden === true;
      await this.#host.welcome(this, hello, this.#granted);
      if (this.#state === "opening") this.#state = "open";
      if (hello.life !== null && !this.#granted) this.#watch(hello.life);
    } catch (thrown) {
      this.post({ t: "refused", failure: toFailure(thrown) });
      this.close();
    }
  }

  /** The page holds this lock while it lives: getting it means the page is gone. */
  #watch(life: string): void {
    navigator.locks?.request(life, () => this.close()).catch(() => this.close());
  }

  async #call({ id, op, args }: { id?: unknown; op?: unknown; args?: unknown }): Promise<void> {
    if (typeof id !== "number") return;
    try {
      const rule = ruleOf(op);
      if (!rule || typeof args !== "object" || args === null) throw NOT_UNDERSTOOD;
      if (!allows(rule, this.#capability)) throw FORBIDDEN;
      const given = rule.online ? { ...args, ...this.#online(id) } : args;
      const value = await this.#perform(op as OpName, given as OpArgs<OpName>, rule);
      this.post({ t: "result", id, value }, bytesOf(value));
    } catch (thrown) {
      this.post({ t: "failed", id, failure: toFailure(thrown) });
    } finally {
      wipe(args);
      this.#host.writeBehind();
    }
  }

  async #perform(op: OpName, args: OpArgs<OpName>, rule: OpRule): Promise<unknown> {
    switch (op) {
      case "lock":
        return void (await this.#host.lock("request"));
      case "touch":
        this.#host.used();
        return this.#host.run((vault) => vault.touch());
      default:
        if (rule.writes) this.#host.used();
        return this.#host.run((vault) => vault.call(op, args), rule);
    }
  }

  async #fetch({ id, request, progress }: { id?: unknown; request?: unknown; progress?: unknown }): Promise<void> {
    if (typeof id !== "number" || this.#running.has(id)) return;
    const running: Running = { abort: new AbortController() };
    this.#running.set(id, running);
    this.#host.used();
    try {
      if (!isRequest(request)) throw NOT_UNDERSTOOD;
      const { url, method, headers, body } = request;
      const { signal } = running.abort;
      const online = this.#online(id);
      const answer = await (progress
        ? upload(this.#host.relay, request, await online.appToken?.(), signal, (progress) => this.post({ t: "progress", id, progress }))
        : this.#host.run((vault) => vault.fetch({ url, method, headers, body, signal, ...online })));
      if (this.#running.get(id) !== running) {
        if ("response" in answer) await answer.response.body?.cancel();
        return;
      }
      if ("refusal" in answer) {
        this.#running.delete(id);
        return this.post({ t: "refusal", id, refusal: answer.refusal });
      }
      this.#answer(id, running, answer.response);
    } catch (thrown) {
      if (this.#running.delete(id)) this.post({ t: "failed", id, failure: toFailure(thrown) });
    } finally {
      this.#host.writeBehind();
    }
  }

  #answer(id: number, running: Running, response: Response): void {
    const { status, statusText, url, body } = response;
    const head = { status, statusText, url, headers: [...response.headers] as [string, string][] };
    this.post({ t: "head", id, head, body: body !== null });
    if (body) running.pump = pumpChunks(body.getReader(), id, (message, transfer) => this.post(message, transfer));
    else this.#running.delete(id);
  }

  #online(id: number): Online {
    if (!this.#token) return {};
    const appToken = () =>
      new Promise<string>((resolve, reject) => {
        this.#tokens.set(id, (token) => {
          this.#tokens.delete(id);
          if (token === null) reject(NO_TOKEN);
          else resolve(token);
        });
        this.post({ t: "wantToken", id });
      });
    return { appToken };
  }

  #release(id: unknown, abort: boolean): void {
    const running = this.#running.get(id as number);
    if (!running) return;
    this.#running.delete(id as number);
    this.#tokens.get(id as number)?.(null);
    if (abort) running.abort.abort();
  }
}

function wellFormed(hello: Hello): boolean {
  const optional = (value: unknown, type: string) => value === undefined || typeof value === type;
  return (
    Number.isInteger(hello.v) &&
    typeof hello.name === "string" &&
    typeof hello.relay === "string" &&
    (typeof hello.wasm === "string" || hello.wasm instanceof ArrayBuffer) &&
    (hello.life === null || typeof hello.life === "string") &&
    optional(hello.relayKey, "string") &&
    optional(hello.autoLockMinutes, "number")
  );
}

function isRequest(request: unknown): request is WireRequest {
  const { url, method, headers, body } = (request ?? {}) as Partial<WireRequest>;
  const isText = (value: unknown) => typeof value === "string";
  return (
    isText(url) &&
    isText(method) &&
    Array.isArray(headers) &&
    headers.every((header) => Array.isArray(header) && header.length === 2 && header.every(isText)) &&
    (body === null || body instanceof Uint8Array || body instanceof Blob)
  );
}

/** Buffers of the byte arrays in a result: moved to the page, so that no copy stays here. */
function bytesOf(value: unknown): Transferable[] {
  return Object.values(value ?? {}).flatMap((inner) => (inner instanceof Uint8Array ? [inner.buffer] : []));
}

/**
 * Overwrites the bytes in an operation's arguments: passwords and keys come as bytes for this. The
 * deepest are those of the passkeys to be kept, each an object in a list.
 */
function wipe(value: unknown, depth = 3): void {
  if (value instanceof Uint8Array) value.fill(0);
  else if (depth > 0 && typeof value === "object" && value !== null) {
    for (const inner of Object.values(value)) wipe(inner, depth - 1);
  }
}
