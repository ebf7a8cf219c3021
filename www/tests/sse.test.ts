import assert from "node:assert/strict";
import { test } from "node:test";
import { EventParser, readEvents } from "../src/chat/sse";
import type { ServerEvent } from "../src/chat/sse";

/** What the standard makes of `text`, whatever the chunks it comes in. */
function parseAllWays(text: string): ServerEvent[] {
  const whole = new EventParser().push(text);
  for (let size = 1; size <= 5; size += 1) {
    const parser = new EventParser();
    const events: ServerEvent[] = [];
    for (let at = 0; at < text.length; at += size) events.push(...parser.push(text.slice(at, at + size)));
    assert.deepEqual(events, whole, `chunks of ${size}`);
  }
  return whole;
}

test("line endings of all three kinds end lines once", () => {
  for (const end of ["\n", "\r\n", "\r"]) {
    // A CR at the very end of the input can only be judged with what follows.
    const text = `data: a${end}data: b${end}${end}event: x${end}data: c${end}${end}: end${end}`;
    assert.deepEqual(parseAllWays(text), [
      { type: "message", data: "a\nb" },
      { type: "x", data: "c" },
    ]);
  }
});

test("comments, unknown fields, a BOM and missing spaces are as the standard says", () => {
  assert.deepEqual(parseAllWays("\uFEFF: hello\nid: 7\nretry: 10\ndata:tight\n\n"), [{ type: "message", data: "tight" }]);
  assert.deepEqual(parseAllWays("data:  two spaces\n\n"), [{ type: "message", data: " two spaces" }]);
  assert.deepEqual(parseAllWays("data\n\n"), [{ type: "message", data: "" }]);
});

test("an event type without data is dropped and does not stick to the next event", () => {
  assert.deepEqual(parseAllWays("event: ping\n\ndata: x\n\n"), [{ type: "message", data: "x" }]);
});

test("an event cut off by the end is not delivered", () => {
  assert.deepEqual(parseAllWays("data: whole\n\ndata: cut"), [{ type: "message", data: "whole" }]);
  assert.deepEqual(parseAllWays("data: whole\n\ndata: cut\n"), [{ type: "message", data: "whole" }]);
});

test("characters split between chunks arrive whole", async () => {
  const bytes = new TextEncoder().encode("data: Fähre 🛶\n\n");
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
      controller.close();
    },
  });
  const events: ServerEvent[] = [];
  for await (const event of readEvents(body)) events.push(event);
  assert.deepEqual(events, [{ type: "message", data: "Fähre 🛶" }]);
});

test("leaving the loop cancels the body", async () => {
  let cancelled = false;
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new TextEncoder().encode("data: x\n\n")),
    cancel: () => {
      cancelled = true;
    },
  });
  for await (const event of readEvents(body)) {
    assert.equal(event.data, "x");
    break;
  }
  assert.equal(cancelled, true);
});

test("a line without end is refused instead of filling memory", () => {
  const parser = new EventParser();
  const chunk = "x".repeat(1024 * 1024);
  assert.throws(() => {
    for (let i = 0; i < 16; i += 1) parser.push(chunk);
  }, RangeError);
});
