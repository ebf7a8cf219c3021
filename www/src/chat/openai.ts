/** OpenAI chat completions, and OpenRouter, which speaks the same. */
import { asArray, asObject, errorPart, parse, textPart } from "./dialect";
import type { ChatPart, Dialect, StopReason } from "./dialect";

export function openaiDialect(prefix: string): Dialect {
  return {
    call: (model, turns) => ({
      path: `${prefix}/chat/completions`,
      headers: {},
      body: { model, stream: true, messages: turns.map(({ role, text }) => ({ role, content: text })) },
    }),

    event: ({ data }) => (data.trim() === "[DONE]" ? [{ kind: "end", reason: "complete" }] : read(parse(data), "delta")),

    whole: (json) => {
      const parts = read(json, "message");
      // Some compatible servers leave `finish_reason` out; text alone is then a whole answer.
      const complete: ChatPart[] = [{ kind: "end", reason: "complete" }];
      return parts.length > 0 && parts.every(({ kind }) => kind === "text") ? [...parts, ...complete] : parts;
    },
  };
}

function read(json: unknown, field: "delta" | "message"): ChatPart[] {
  const error = errorPart(json);
  if (error) return [error];
  const choice = asObject(asArray(asObject(json)?.["choices"])[0]);
  if (!choice) return [];
  const message = asObject(choice[field]);
  const parts = [...textPart(message?.["content"]), ...textPart(message?.["refusal"])];
  const reason = choice["finish_reason"];
  if (typeof reason === "string") parts.push({ kind: "end", reason: stopReason(reason) });
  return parts;
}

function stopReason(reason: string): StopReason {
  if (reason === "length") return "length";
  return reason === "content_filter" ? "filtered" : "complete";
}
