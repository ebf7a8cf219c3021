import type { Head, Refusal } from "../wire.js";
import type { BodySource } from "./link.js";

/** Statuses whose responses have no body; the constructor refuses one. */
const NULL_BODY = new Set([204, 205, 304]);

/** What a status line can hold (RFC 9112 section 4); the constructor refuses the rest. */
const REASON_PHRASE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** A real Response for an answer that is still arriving. */
export function toResponse(
  head: Head,
  body: BodySource | null,
  done: () => void,
  method: string,
  signal: AbortSignal | null,
): Response {
  const { status, headers } = head;
  // HTTP/2 has no reason phrase, and is all that Vercel's SDK shows of errors not in its provider's shape.
  const statusText = head.statusText || (headers.find(([name]) => name === "x-byok-error")?.[1] ?? "");
  const empty = body === null || NULL_BODY.has(status) || method === "HEAD";
  if (empty) {
    void body?.cancel();
    done();
  }
  const stream = empty ? null : streamOf(body, done, signal);
  return withUrl(new Response(stream, { status, statusText, headers }), head.url);
}

/** A refusal of the vault, in the shape of the relay's own errors, which SDKs show properly. */
export function refusalResponse({ status, code, message, kind, provider }: Refusal, url: string): Response {
  const problem = {
    type: `urn:keyferry:error:${code}`,
    title: message,
    status,
    detail: message,
    code,
    ...(provider && { provider }),
    error: { message, type: kind, code },
  };
  const headers = {
    "content-type": "application/problem+json",
    // SDKs retry what they can; asking the same vault again would get the same answer.
    "x-should-retry": "false",
    "x-byok-error": code,
  };
  const statusText = REASON_PHRASE.test(message) ? message : code;
  return withUrl(new Response(JSON.stringify(problem), { status, statusText, headers }), url);
}

function streamOf(source: BodySource, done: () => void, signal: AbortSignal | null): ReadableStream<Uint8Array> {
  let abort: (() => void) | undefined;
  const finish = () => {
    if (abort) signal?.removeEventListener("abort", abort);
    done();
  };
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        abort = () => {
          controller.error(signal?.reason);
          void source.cancel();
          finish();
        };
        if (signal?.aborted) abort();
        else signal?.addEventListener("abort", abort, { once: true });
      },
      async pull(controller) {
        try {
          const { done: ended, value } = await source.read();
          if (signal?.aborted) return;
          if (value) return controller.enqueue(value);
          if (ended) controller.close();
        } catch (cause) {
          if (signal?.aborted) return;
          // What fetch itself says of an answer that breaks off.
          controller.error(new TypeError(cause instanceof Error && cause.message ? cause.message : "network error", { cause }));
        }
        finish();
      },
      async cancel() {
        await source.cancel();
        finish();
      },
    },
    { highWaterMark: 0 },
  );
}

/** Constructed responses have no URL; `clone()` would lose it again. */
export function withUrl(response: Response, url: string): Response {
  return Object.defineProperties(response, {
    url: { value: url },
    clone: { value: () => withUrl(Response.prototype.clone.call(response), url) },
  });
}
