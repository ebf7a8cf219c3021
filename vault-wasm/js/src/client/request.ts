import type { WireRequest } from "../wire.js";

/** Small enough to look into for `model`, and text: crosses the port as bytes. The rest stays a Blob. */
const TEXTUAL = /^(application\/(json|x-www-form-urlencoded|[\w.+-]+\+json)|text\/)/i;

/**
 * What `fetch(input, init)` would send, as plain data. Throws what the
 * `Request` constructor throws; a stream body is read to its end first, since
 * it could not be sent twice and a refused key means sending twice.
 */
export async function toWire(input: RequestInfo | URL, init: RequestInit | undefined): Promise<WireRequest> {
  const bare: RequestInit = { ...init, signal: null };
  if (bare.body instanceof ReadableStream) bare.body = await new Response(bare.body).arrayBuffer();
  const request = new Request(input, bare);
  return {
    url: request.url,
    method: request.method,
    headers: [...request.headers] as [string, string][],
    body: await readBody(request),
  };
}

async function readBody(request: Request): Promise<WireRequest["body"]> {
  // Some browsers have no `Request.body` and say undefined for every request.
  if (request.body === null || request.method === "GET" || request.method === "HEAD") return null;
  if (TEXTUAL.test(request.headers.get("content-type") ?? "")) {
    const bytes = new Uint8Array(await request.arrayBuffer());
    return bytes.length > 0 ? bytes : null;
  }
  const blob = await request.blob();
  return blob.size > 0 ? blob : null;
}

/** The signal that governs `fetch(input, init)`. */
export function signalOf(input: RequestInfo | URL, init: RequestInit | undefined): AbortSignal | null {
  if (init?.signal !== undefined) return init.signal;
  return typeof Request === "function" && input instanceof Request ? input.signal : null;
}
