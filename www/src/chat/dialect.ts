/**
 * What differs between providers in a streaming chat: where a request goes, what it says and how
 * the answer's events read. Pure: no network, no DOM.
 */
import type { ServerEvent } from "./sse";

export interface Turn {
  readonly role: "user" | "assistant";
  readonly text: string;
}

export interface ChatCall {
  /** Path under `/providers/{id}`, the provider's own. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
}

/** Why an answer ended. `length`: it reached its token limit. `filtered`: the provider withheld the rest. */
export type StopReason = "complete" | "length" | "filtered";

export type ChatPart =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "end"; readonly reason: StopReason }
  | { readonly kind: "error"; readonly code: string | null; readonly message: string | null };

export interface Dialect {
  call(model: string, turns: readonly Turn[]): ChatCall;
  /** What one event of the stream means, in order. */
  event(event: ServerEvent): ChatPart[];
  /** The same for an answer that came whole, as JSON. */
  whole(json: unknown): ChatPart[];
}

export type Json = Record<string, unknown>;

export function asObject(value: unknown): Json | null {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : null;
}

export function asArray(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

export function asText(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

/** JSON or null: what a stream carries between its markers is not always JSON. */
export function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Text part, or nothing when there is no text in it. */
export function textPart(text: unknown): ChatPart[] {
  return typeof text === "string" && text !== "" ? [{ kind: "text", text }] : [];
}

/**
 * The error of an answer in any of the shapes in use: `{error: {code|type|status, message}}` of the
 * providers and of the relay, `{code, detail|title}` of a problem document (RFC 9457), `{error: "…"}`.
 */
export function errorPart(json: unknown): (ChatPart & { kind: "error" }) | null {
  const document = asObject(json) ?? asObject(asArray(json)[0]);
  if (!document) return null;
  const inner = asObject(document["error"]);
  const plain = asText(document["error"]);
  if (!inner && plain === null && asText(document["code"]) === null) return null;
  return {
    kind: "error",
    code:
      asText(document["code"]) ?? asText(inner?.["code"]) ?? asText(inner?.["type"]) ?? asText(inner?.["status"]),
    message: asText(inner?.["message"]) ?? plain ?? asText(document["detail"]) ?? asText(document["title"]),
  };
}
