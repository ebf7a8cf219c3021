/** Anthropic messages. */
import { asArray, asObject, asText, errorPart, parse, textPart } from "./dialect";
import type { ChatPart, Dialect, StopReason } from "./dialect";

/** The API requires a limit; this is enough for a long answer and accepted by every current model. */
const MAX_OUTPUT_TOKENS = 4096;

export const anthropicDialect: Dialect = {
  call: (model, turns) => ({
    path: "/v1/messages",
    headers: { "anthropic-version": "2023-06-01" },
    body: {
      model,
      stream: true,
      max_tokens: MAX_OUTPUT_TOKENS,
      messages: turns.map(({ role, text }) => ({ role, content: text })),
    },
  }),

  event: ({ data }) => {
    const json = asObject(parse(data));
    switch (json?.["type"]) {
      case "content_block_delta":
        return textPart(asObject(json["delta"])?.["text"]);
      case "message_delta": {
        const reason = asText(asObject(json["delta"])?.["stop_reason"]);
        return reason === null ? [] : [{ kind: "end", reason: stopReason(reason) }];
      }
      case "message_stop":
        return [{ kind: "end", reason: "complete" }];
      default: {
        const error = errorPart(json);
        return error ? [error] : [];
      }
    }
  },

  whole: (json) => {
    const error = errorPart(json);
    if (error) return [error];
    const message = asObject(json);
    const parts: ChatPart[] = asArray(message?.["content"]).flatMap((block) => textPart(asObject(block)?.["text"]));
    const reason = asText(message?.["stop_reason"]);
    if (reason !== null) parts.push({ kind: "end", reason: stopReason(reason) });
    return parts;
  },
};

function stopReason(reason: string): StopReason {
  if (reason === "max_tokens" || reason === "model_context_window_exceeded") return "length";
  return reason === "refusal" ? "filtered" : "complete";
}
