import assert from "node:assert/strict";
import { test } from "node:test";
import { anthropicDialect } from "../src/chat/anthropic";
import { errorPart } from "../src/chat/dialect";
import type { Dialect, Turn } from "../src/chat/dialect";
import { geminiDialect } from "../src/chat/gemini";
import { openaiDialect } from "../src/chat/openai";

const openai = openaiDialect("/v1");
const turns: Turn[] = [
  { role: "user", text: "Hi" },
  { role: "assistant", text: "Hello" },
  { role: "user", text: "More" },
];

function read(dialect: Dialect, ...data: (object | string)[]): unknown[] {
  return data.flatMap((item) =>
    dialect.event({ type: "message", data: typeof item === "string" ? item : JSON.stringify(item) }),
  );
}

test("each dialect sends the conversation in its provider's own form", () => {
  assert.deepEqual(openai.call("gpt-4o-mini", turns), {
    path: "/v1/chat/completions",
    headers: {},
    body: {
      model: "gpt-4o-mini",
      stream: true,
      messages: [
        { role: "user", content: "Hi" },
        { role: "assistant", content: "Hello" },
        { role: "user", content: "More" },
      ],
    },
  });
  assert.equal(openaiDialect("/api/v1").call("openai/gpt-4o-mini", turns).path, "/api/v1/chat/completions");

  const anthropic = anthropicDialect.call("claude-sonnet-4-5", turns);
  assert.equal(anthropic.path, "/v1/messages");
  assert.equal(anthropic.headers["anthropic-version"], "2023-06-01");
  assert.equal((anthropic.body as { max_tokens: number }).max_tokens > 0, true);

  const gemini = geminiDialect.call("gemini-2.5-flash", turns);
  assert.equal(gemini.path, "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse");
  assert.deepEqual(gemini.body, {
    contents: [
      { role: "user", parts: [{ text: "Hi" }] },
      { role: "model", parts: [{ text: "Hello" }] },
      { role: "user", parts: [{ text: "More" }] },
    ],
  });
});

test("a model name cannot change the path", () => {
  const { path } = geminiDialect.call("../../x?y#z", turns);
  assert.equal(path, "/v1beta/models/..%2F..%2Fx%3Fy%23z:streamGenerateContent?alt=sse");
});

test("OpenAI: text, refusal, limits and the end marker", () => {
  assert.deepEqual(
    read(
      openai,
      { choices: [{ delta: { role: "assistant", content: "" } }] },
      { choices: [{ delta: { content: "Hel" } }] },
      { choices: [{ delta: { content: "lo" } }] },
      { choices: [{ delta: {}, finish_reason: "length" }] },
      { choices: [], usage: { total_tokens: 3 } },
      "[DONE]",
    ),
    [
      { kind: "text", text: "Hel" },
      { kind: "text", text: "lo" },
      { kind: "end", reason: "length" },
      { kind: "end", reason: "complete" },
    ],
  );
  assert.deepEqual(read(openai, { choices: [{ delta: { refusal: "No." } }] }), [{ kind: "text", text: "No." }]);
  assert.deepEqual(read(openai, { choices: [{ delta: {}, finish_reason: "content_filter" }] }), [
    { kind: "end", reason: "filtered" },
  ]);
});

test("Anthropic: only text deltas are text", () => {
  assert.deepEqual(
    read(
      anthropicDialect,
      { type: "message_start", message: { content: [] } },
      { type: "ping" },
      { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
      { type: "content_block_delta", index: 0, delta: { type: "thinking_delta", thinking: "hm" } },
      { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "Hi" } },
      { type: "content_block_stop", index: 0 },
      { type: "message_delta", delta: { stop_reason: "max_tokens" } },
      { type: "message_stop" },
    ),
    [
      { kind: "text", text: "Hi" },
      { kind: "end", reason: "length" },
      { kind: "end", reason: "complete" },
    ],
  );
  assert.deepEqual(read(anthropicDialect, { type: "error", error: { type: "overloaded_error", message: "Overloaded" } }), [
    { kind: "error", code: "overloaded_error", message: "Overloaded" },
  ]);
});

test("Gemini: thoughts are left out, a blocked prompt ends at once", () => {
  assert.deepEqual(
    read(
      geminiDialect,
      { candidates: [{ content: { parts: [{ text: "hm", thought: true }, { text: "Hi" }] } }] },
      { candidates: [{ content: { parts: [] }, finishReason: "STOP" }], usageMetadata: {} },
    ),
    [
      { kind: "text", text: "Hi" },
      { kind: "end", reason: "complete" },
    ],
  );
  assert.deepEqual(read(geminiDialect, { promptFeedback: { blockReason: "SAFETY" } }), [{ kind: "end", reason: "filtered" }]);
});

test("answers that come whole read the same", () => {
  assert.deepEqual(openai.whole({ choices: [{ message: { content: "Hi" }, finish_reason: "stop" }] }), [
    { kind: "text", text: "Hi" },
    { kind: "end", reason: "complete" },
  ]);
  assert.deepEqual(anthropicDialect.whole({ content: [{ type: "text", text: "Hi" }], stop_reason: "end_turn" }), [
    { kind: "text", text: "Hi" },
    { kind: "end", reason: "complete" },
  ]);
  assert.deepEqual(
    geminiDialect.whole([
      { candidates: [{ content: { parts: [{ text: "H" }] } }] },
      { candidates: [{ content: { parts: [{ text: "i" }] }, finishReason: "STOP" }] },
    ]),
    [
      { kind: "text", text: "H" },
      { kind: "text", text: "i" },
      { kind: "end", reason: "complete" },
    ],
  );
});

test("an answer that is none of a provider's is not a complete one", () => {
  for (const dialect of [openai, anthropicDialect, geminiDialect]) {
    for (const nonsense of [null, [], 7, "text", { hello: "world" }]) {
      assert.deepEqual(dialect.whole(nonsense), [], JSON.stringify(nonsense));
    }
    assert.deepEqual(read(dialect, "not json", "null", "[]", "7"), []);
  }
});

test("errors are found in every shape in use", () => {
  const cases: [unknown, string | null, string | null][] = [
    [{ error: { message: "m", type: "t", code: "c" } }, "c", "m"],
    [{ type: "error", error: { type: "t", message: "m" } }, "t", "m"],
    [[{ error: { code: 400, status: "INVALID_ARGUMENT", message: "m" } }], "INVALID_ARGUMENT", "m"],
    [{ type: "about:blank", title: "T", status: 502, code: "c", detail: "d", error: { message: "m", type: "t", code: "c" } }, "c", "m"],
    [{ code: "c", title: "T" }, "c", "T"],
    [{ error: "plain" }, null, "plain"],
  ];
  for (const [json, code, message] of cases) assert.deepEqual(errorPart(json), { kind: "error", code, message });
  for (const none of [null, 7, "text", {}, { choices: [] }, []]) assert.equal(errorPart(none), null);
});
