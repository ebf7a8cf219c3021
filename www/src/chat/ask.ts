/** One question, one streamed answer: sends the call and reports every way in which it can end. */
import type { ChatPart, Dialect, StopReason, Turn } from "./dialect";
import { errorPart, parse } from "./dialect";
import { readEvents } from "./sse";

export interface Question {
  readonly provider: string;
  /** Below the relay: of the provider's own interface, empty for the relay's. */
  readonly base: string;
  readonly dialect: Dialect;
  readonly model: string;
  readonly turns: readonly Turn[];
  readonly signal: AbortSignal;
}

/** Who paid and who answered, from the relay's headers. */
export interface Receipt {
  readonly paidBy: "user" | "server" | null;
  readonly provider: string;
  readonly requestId: string | null;
  readonly wire: Wire;
}

/** What this page sent and what came back, as text; the key is not in it, for this page never had it. */
export interface Wire {
  readonly sent: string;
  readonly received: string;
}

export interface Failure {
  /** A code of the relay, of the vault's refusals, or made here; null for a provider's own error. */
  readonly code: string | null;
  readonly provider: string;
  /** HTTP status, null when the failure came after the answer had begun or before there was one. */
  readonly status: number | null;
  /** What the provider or relay said, for people. */
  readonly message: string | null;
  /** Seconds to wait, when the answer said so. */
  readonly retryAfter: number | null;
}

export type Outcome =
  | { readonly kind: "finished"; readonly reason: StopReason }
  | { readonly kind: "stopped" }
  | { readonly kind: "failed"; readonly failure: Failure };

export interface Listener {
  onReceipt(receipt: Receipt): void;
  onText(text: string): void;
}

/** An error body is shown to people: more than this is no message. */
const MAX_ERROR_CHARACTERS = 64 * 1024;

/** Never rejects: whatever text has arrived stays with the listener, and the outcome says how it ended. */
export async function ask(
  fetch: typeof globalThis.fetch,
  relay: string,
  question: Question,
  listener: Listener,
): Promise<Outcome> {
  const { provider, base, dialect, model, turns, signal } = question;
  const failed = (failure: Partial<Failure>): Outcome => ({
    kind: "failed",
    failure: { code: null, provider, status: null, message: null, retryAfter: null, ...failure },
  });

  let begun = false;
  let end: StopReason | null = null;
  try {
    const call = dialect.call(model, turns);
    const url = `${relay}${base}${call.path}`;
    const headers = { "content-type": "application/json", ...call.headers };
    const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(call.body), signal });
    begun = true;
    if (!response.ok) return failed(await refusal(response));
    const sent = [`POST ${url}`, ...lines(Object.entries(headers)), "", JSON.stringify(call.body, null, 2)].join("\n");
    listener.onReceipt(receipt(response, provider, sent));

    for await (const part of parts(response, dialect)) {
      if (part.kind === "text") listener.onText(part.text);
      // The first reason is the real one: OpenAI's "[DONE]" only follows it.
      else if (part.kind === "end") end ??= part.reason;
      else return failed({ code: streamCode(part.code), message: part.message });
    }
    if (end !== null) return { kind: "finished", reason: end };
    return failed({ code: isStream(response) ? "stream_interrupted" : "unusable_answer" });
  } catch (error) {
    // A connection that breaks after the end marker has lost nothing a reader could miss.
    if (end !== null) return { kind: "finished", reason: end };
    if (signal.aborted) return { kind: "stopped" };
    const code = (error as { code?: unknown } | null)?.code;
    // A stream cut by locking fails with the vault's error; DOMException.code is a number.
    if (code === "locked") return failed({ code });
    if (begun) return failed({ code: "stream_interrupted" });
    return failed({ code: globalThis.navigator?.onLine === false ? "offline" : "network" });
  }
}

async function* parts(response: Response, dialect: Dialect): AsyncGenerator<ChatPart, void, void> {
  if (response.body && isStream(response)) {
    for await (const event of readEvents(response.body)) yield* dialect.event(event);
  } else {
    yield* dialect.whole(parse(await response.text()));
  }
}

function isStream(response: Response): boolean {
  return (response.headers.get("content-type") ?? "").toLowerCase().includes("text/event-stream");
}

async function refusal(response: Response): Promise<Partial<Failure>> {
  const body = (await response.text().catch(() => "")).slice(0, MAX_ERROR_CHARACTERS);
  const error = errorPart(parse(body));
  // Only the relay's and the vault's errors carry this header: a provider's own codes are its affair,
  // its status says all the page needs.
  const ours = response.headers.get("x-byok-error");
  const wait = Number(response.headers.get("retry-after") ?? "");
  return {
    code: ours === null ? null : (error?.code ?? ours),
    status: response.status,
    message: error?.message ?? null,
    retryAfter: Number.isFinite(wait) && wait > 0 ? Math.ceil(wait) : null,
  };
}

function lines(headers: Iterable<readonly [string, string]>): string[] {
  return [...headers].map(([name, value]) => `${name}: ${value}`);
}

function receipt(response: Response, provider: string, sent: string): Receipt {
  const paidBy = response.headers.get("x-byok-paid-by");
  return {
    paidBy: paidBy === "user" || paidBy === "server" ? paidBy : null,
    provider: response.headers.get("x-byok-provider") ?? provider,
    requestId: response.headers.get("x-byok-request-id"),
    wire: { sent, received: [`${response.status} ${response.statusText}`.trim(), ...lines(response.headers)].join("\n") },
  };
}

/** Mid-stream the relay and the provider share one channel: only these codes can be the relay's. */
function streamCode(code: string | null): string {
  return code !== null && RELAY_STREAM_CODES.has(code) ? code : "provider_stream_error";
}

const RELAY_STREAM_CODES: ReadonlySet<string> = new Set(["stream_interrupted", "provider_timeout", "provider_unreachable"]);
