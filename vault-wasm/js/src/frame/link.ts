import type { OpArgs, OpName, OpResult } from "../ops.js";
import type { Snapshot } from "../types.js";
import type { WireRequest } from "../wire.js";
import type { Answer, Link, LinkEvents, OnProgress } from "../client/link.js";

/**
 * A link into the frame. There the relay goes by the vault's origin, so that
 * its requests are same-origin and no app's service worker sees them; here it
 * goes by the name the app knows. This translates.
 */
export class FrameLink implements Link {
  readonly #inner: Link;
  readonly #relay: URL;
  readonly #vault: URL;
  readonly #closed: () => void;

  constructor(inner: Link, relay: string, vaultOrigin: string, closed: () => void) {
    this.#inner = inner;
    this.#relay = folder(relay);
    this.#vault = folder(vaultOrigin);
    this.#closed = closed;
  }

  get snapshot(): Snapshot {
    return this.#inner.snapshot;
  }

  listen(events: LinkEvents): void {
    this.#inner.listen({
      snapshot: (snapshot) => events.snapshot(snapshot),
      event: (type, detail) => events.event(type, detail),
      gone: (why) => {
        this.#closed();
        events.gone(why);
      },
    });
  }

  call<K extends OpName>(op: K, args: OpArgs<K>): Promise<OpResult<K>> {
    return this.#inner.call(op, args);
  }

  async request(request: WireRequest, signal: AbortSignal | null, progress?: OnProgress): Promise<Answer> {
    const url = moved(request.url, this.#relay, this.#vault);
    const answer = await this.#inner.request({ ...request, url }, signal, progress);
    if ("refusal" in answer) return answer;
    const head = { ...answer.head, url: moved(answer.head.url, this.#vault, this.#relay) };
    return { ...answer, head };
  }

  share(): MessagePort {
    return this.#inner.share();
  }

  hidden(hidden: boolean): void {
    this.#inner.hidden(hidden);
  }

  close(): void {
    this.#inner.close();
  }
}

function folder(url: string): URL {
  return new URL(url.endsWith("/") ? url : `${url}/`);
}

/** `url` below `to` when it is below `from`, compared by parsed origin and path. */
function moved(url: string, from: URL, to: URL): string {
  const parsed = new URL(url);
  if (parsed.origin !== from.origin || !parsed.pathname.startsWith(from.pathname)) return url;
  return to.origin + to.pathname + parsed.pathname.slice(from.pathname.length) + parsed.search;
}
