/** Google Gemini: streamGenerateContent with server-sent events. */
import { asArray, asObject, asText, errorPart, parse, textPart } from "./dialect";
import type { ChatPart, Dialect, StopReason } from "./dialect";

export const geminiDialect: Dialect = {
  call: (model, turns) => ({
    path: `/v1beta/models/${encodeURIComponent(model)}:streamGenerateContent?alt=sse`,
    headers: {},
    body: {
      contents: turns.map(({ role, text }) => ({
        role: role === "assistant" ? "model" : "user",
        parts: [{ text }],
      })),
    },
  }),

  event: ({ data }) => read(parse(data)),

  // Without `alt=sse` honoured the answer is one array of the same chunks.
  whole: (json) => {
    const chunks = Array.isArray(json) ? json : [json];
    return chunks.flatMap(read);
  },
};

function read(json: unknown): ChatPart[] {
  const error = errorPart(json);
  if (error) return [error];
  const chunk = asObject(json);
  const candidate = asObject(asArray(chunk?.["candidates"])[0]);
  const parts: ChatPart[] = asArray(asObject(candidate?.["content"])?.["parts"])
    .map(asObject)
    // Thought summaries are not part of the answer.
    .filter((part) => part?.["thought"] !== true)
    .flatMap((part) => textPart(part?.["text"]));
  const reason = asText(candidate?.["finishReason"]);
  if (reason !== null) parts.push({ kind: "end", reason: stopReason(reason) });
  // A prompt refused outright has no candidate at all.
  else if (asText(asObject(chunk?.["promptFeedback"])?.["blockReason"]) !== null) {
    parts.push({ kind: "end", reason: "filtered" });
  }
  return parts;
}

function stopReason(reason: string): StopReason {
  if (reason === "MAX_TOKENS") return "length";
  return reason === "STOP" || reason === "FINISH_REASON_UNSPECIFIED" ? "complete" : "filtered";
}
