import { VaultError, type Failure } from "../errors.js";
import type { OpArgs, OpName, OpResult } from "../ops.js";
import type { Snapshot } from "../types.js";
import type { ToPage, ToWorker, WireRequest } from "../wire.js";
import { ChunkSource } from "./chunks.js";
import type { Answer, Link, LinkEvents, OnProgress } from "./link.js";
import { until } from "./until.js";

interface Waiting {
  resolve(value: unknown): void;
  reject(error: unknown): void;
  progress?: OnProgress | undefined;
}

/** The page's end of the conversation with the worker. */
export class PortLink implements Link {
  readonly snapshot: Snapshot;
  readonly #port: MessagePort;
  readonly #appToken: (() => Promise<string> | string) | undefined;
  readonly #release: () => void;
  readonly #waiting = new Map<number, Waiting>();
  readonly #chunks = new Map<number, ChunkSource>();
  #events: LinkEvents | undefined;
  #lastId = 0;
  #closed: VaultError | undefined;

  constructor(
    port: MessagePort,
    snapshot: Snapshot,
    workerLife: string | null,
    appToken: (() => Promise<string> | string) | undefined,
    release: () => void,
  ) {
    this.#port = port;
    this.snapshot = snapshot;
    this.#appToken = appToken;
    this.#release = release;
    port.onmessage = ({ data }) => this.#receive(data);
    const died = () => this.#end({ code: "worker_failed", message: "The vault's worker is gone." });
    // Newer browsers tell of the other end's death; the lock, which the worker holds while it lives, does in all.
    port.addEventListener("close", died);
    if (workerLife !== null) navigator.locks.request(workerLife, died).catch(died);
  }

  listen(events: LinkEvents): void {
    this.#events = events;
  }

  call<K extends OpName>(op: K, args: OpArgs<K>): Promise<OpResult<K>> {
    return this.#ask((id) => this.#post({ t: "call", id, op, args }, bytesIn(args))) as Promise<OpResult<K>>;
  }

  async request(request: WireRequest, signal: AbortSignal | null, progress?: OnProgress): Promise<Answer> {
    signal?.throwIfAborted();
    const id = ++this.#lastId;
    const transfer = request.body instanceof Uint8Array ? [request.body.buffer] : [];
    const send = () => this.#post({ t: "fetch", id, request, progress: progress !== undefined }, transfer);
    return until(signal, this.#ask(send, id, progress) as Promise<Answer>, () => {
      this.#waiting.delete(id);
      this.#post({ t: "abort", id });
    });
  }

  share(): MessagePort {
    const { port1, port2 } = new MessageChannel();
    this.#post({ t: "share", port: port1 }, [port1]);
    return port2;
  }

  hidden(hidden: boolean): void {
    this.#post({ t: "hidden", hidden });
  }

  close(): void {
    if (this.#closed) return;
    this.#post({ t: "bye" });
    this.#end({ code: "closed", message: "This vault object was closed." });
  }

  #ask(send: (id: number) => void, id = ++this.#lastId, progress?: OnProgress): Promise<unknown> {
    if (this.#closed) return Promise.reject(this.#closed);
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject, progress });
      try {
        send(id);
      } catch (thrown) {
        this.#waiting.delete(id);
        reject(new VaultError("bad_argument", String(thrown)));
      }
    });
  }

  #post(message: ToWorker, transfer: Transferable[] = []): void {
    if (!this.#closed) this.#port.postMessage(message, transfer);
  }

  #settle(id: number, how: (waiting: Waiting) => void): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (waiting) how(waiting);
  }

  #receive(message: ToPage): void {
    switch (message.t) {
      case "result":
        return this.#settle(message.id, ({ resolve }) => resolve(message.value));
      case "failed": {
        const chunks = this.#chunks.get(message.id);
        if (chunks) return chunks.fail(new Error(message.failure.message));
        return this.#settle(message.id, ({ reject }) => reject(VaultError.from(message.failure)));
      }
      case "refusal":
        return this.#settle(message.id, ({ resolve }) => resolve({ refusal: message.refusal } satisfies Answer));
      case "head":
        return this.#head(message);
      case "progress":
        return this.#waiting.get(message.id)?.progress?.(message.progress);
      case "chunk":
        return this.#chunks.get(message.id)?.push(message.bytes);
      case "end":
        return this.#chunks.get(message.id)?.end();
      case "wantToken":
        return void this.#token(message.id);
      case "snapshot":
        return this.#events?.snapshot(message.snapshot);
      case "event":
        return this.#events?.event(message.type, message.detail);
      case "retired":
        return this.#end(message.failure);
    }
  }

  #head({ id, head, body }: Extract<ToPage, { t: "head" }>): void {
    // Aborted meanwhile; the worker knows.
    if (!this.#waiting.has(id)) return;
    let source: ChunkSource | null = null;
    if (body) {
      source = new ChunkSource(
        (chunks) => this.#post({ t: "pull", id, chunks }),
        () => this.#post({ t: "abort", id }),
      );
      this.#chunks.set(id, source);
    }
    const done = () => {
      this.#chunks.delete(id);
      this.#post({ t: "done", id });
    };
    this.#settle(id, ({ resolve }) => resolve({ head, body: source, done } satisfies Answer));
  }

  async #token(id: number): Promise<void> {
    let value: string | null = null;
    try {
      value = (await this.#appToken?.()) ?? null;
    } catch {
      // The worker turns a missing token into the request's failure.
    }
    this.#post({ t: "token", id, value });
  }

  #end(failure: Failure): void {
    if (this.#closed) return;
    this.#closed = VaultError.from(failure);
    for (const { reject } of this.#waiting.values()) reject(this.#closed);
    for (const chunks of this.#chunks.values()) chunks.fail(this.#closed);
    this.#waiting.clear();
    this.#chunks.clear();
    this.#port.close();
    this.#release();
    this.#events?.gone(this.#closed);
  }
}

/** The buffers of the byte arrays in `args`: moved, not copied, so that no second copy stays behind. */
function bytesIn(args: object): Transferable[] {
  return Object.values(args).flatMap((value: unknown) =>
    value instanceof Uint8Array ? [value.buffer] : typeof value === "object" && value !== null ? bytesIn(value) : [],
  );
}
