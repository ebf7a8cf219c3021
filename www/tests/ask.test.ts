import assert from "node:assert/strict";
import { test } from "node:test";
import { ask } from "../src/chat/ask";
import type { Outcome, Receipt } from "../src/chat/ask";
import { openaiDialect } from "../src/chat/openai";

interface Result {
  outcome: Outcome;
  text: string;
  receipt: Receipt | null;
  url: string;
}

async function run(
  answer: (request: Request) => Response | Promise<Response>,
  signal: AbortSignal = new AbortController().signal,
): Promise<Result> {
  const result: Result = { outcome: { kind: "stopped" }, text: "", receipt: null, url: "" };
  const fetch = async (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    const request = new Request(input, init);
    result.url = request.url;
    return answer(request);
  };
  result.outcome = await ask(
    fetch,
    "https://relay.example",
    { provider: "openai", base: "/providers/openai", dialect: openaiDialect("/v1"), model: "m", turns: [{ role: "user", text: "Hi" }], signal },
    {
      onReceipt: (receipt) => {
        result.receipt = receipt;
      },
      onText: (text) => {
        result.text += text;
      },
    },
  );
  return result;
}

const text = (content: string): string => `data: ${JSON.stringify({ choices: [{ delta: { content } }] })}\n\n`;
const stop = `data: ${JSON.stringify({ choices: [{ delta: {}, finish_reason: "stop" }] })}\n\n`;
const SSE = { "content-type": "text/event-stream; charset=utf-8", "x-byok-paid-by": "user", "x-byok-provider": "openai" };

/** A stream of the given pieces that then closes, or fails with `failure`. */
function stream(pieces: string[], failure?: unknown): ReadableStream<Uint8Array> {
  const left = [...pieces];
  return new ReadableStream({
    pull(controller) {
      const piece = left.shift();
      if (piece !== undefined) controller.enqueue(new TextEncoder().encode(piece));
      else if (failure === undefined) controller.close();
      else controller.error(failure);
    },
  });
}

function failureOf({ outcome }: Result): { code: string | null; status: number | null; message: string | null; retryAfter: number | null } {
  assert.equal(outcome.kind, "failed");
  assert.ok(outcome.kind === "failed");
  return outcome.failure;
}

test("a whole stream finishes, with its text and its payer", async () => {
  const result = await run(() => new Response(stream([text("Hel"), text("lo"), stop, "data: [DONE]\n\n"]), { headers: SSE }));
  assert.deepEqual(result.outcome, { kind: "finished", reason: "complete" });
  assert.equal(result.text, "Hello");
  assert.equal(result.url, "https://relay.example/providers/openai/v1/chat/completions");
  const { wire, ...receipt } = result.receipt ?? assert.fail("no receipt");
  assert.deepEqual(receipt, { paidBy: "user", provider: "openai", requestId: null });
  assert.match(wire.sent, /^POST https:\/\/relay\.example\/providers\/openai\/v1\/chat\/completions\ncontent-type: application\/json\n\n\{/);
  assert.match(wire.received, /^200\n[^]*x-byok-paid-by: user/);
});

test("a stream that closes without its end marker broke off, and its text stays", async () => {
  const result = await run(() => new Response(stream([text("Hel")]), { headers: SSE }));
  assert.equal(failureOf(result).code, "stream_interrupted");
  assert.equal(result.text, "Hel");
});

test("a stream that fails broke off; after the end marker it is whole", async () => {
  const cut = await run(() => new Response(stream([text("Hel")], new TypeError("network error")), { headers: SSE }));
  assert.equal(failureOf(cut).code, "stream_interrupted");
  assert.equal(cut.text, "Hel");
  const whole = await run(() => new Response(stream([text("Hello"), stop], new TypeError("network error")), { headers: SSE }));
  assert.deepEqual(whole.outcome, { kind: "finished", reason: "complete" });
});

test("a stream cut by locking says so", async () => {
  const result = await run(() => new Response(stream([text("Hel")], { code: "locked" }), { headers: SSE }));
  assert.equal(failureOf(result).code, "locked");
});

test("an error event ends the answer: the relay's code is kept, a provider's is not taken for one", async () => {
  const event = (code: string): string => `event: error\ndata: ${JSON.stringify({ error: { message: "m", type: "t", code } })}\n\n`;
  const relay = await run(() => new Response(stream([text("Hel"), event("stream_interrupted")]), { headers: SSE }));
  assert.equal(failureOf(relay).code, "stream_interrupted");
  const provider = await run(() => new Response(stream([text("Hel"), event("missing_key")]), { headers: SSE }));
  assert.equal(failureOf(provider).code, "provider_stream_error");
  assert.equal(failureOf(provider).message, "m");
  assert.equal(provider.text, "Hel");
});

test("stopping keeps the text and is no failure", async () => {
  const controller = new AbortController();
  const result = await run(({ signal }) => {
    const body = new ReadableStream<Uint8Array>({
      start(stream) {
        stream.enqueue(new TextEncoder().encode(text("Hel")));
        signal.addEventListener("abort", () => stream.error(signal.reason));
        setTimeout(() => controller.abort(), 5);
      },
    });
    return new Response(body, { headers: SSE });
  }, controller.signal);
  assert.deepEqual(result.outcome, { kind: "stopped" });
  assert.equal(result.text, "Hel");
});

test("no answer at all is a network failure", async () => {
  const result = await run(() => Promise.reject(new TypeError("Failed to fetch")));
  assert.equal(failureOf(result).code, "network");
});

test("the relay's refusal is known by its header, a provider's code is left alone", async () => {
  const body = JSON.stringify({ code: "missing_key", title: "No key", error: { message: "No key", type: "t", code: "missing_key" } });
  const relay = await run(() => new Response(body, { status: 401, headers: { "x-byok-error": "missing_key" } }));
  assert.deepEqual(failureOf(relay), { code: "missing_key", provider: "openai", status: 401, message: "No key", retryAfter: null });
  const provider = await run(() => new Response(body, { status: 401 }));
  assert.equal(failureOf(provider).code, null);
  assert.equal(failureOf(provider).status, 401);
});

test("retry-after is read in seconds, other forms are ignored", async () => {
  const wait = async (value: string): Promise<number | null> =>
    failureOf(await run(() => new Response("{}", { status: 429, headers: { "retry-after": value } }))).retryAfter;
  assert.equal(await wait("20"), 20);
  assert.equal(await wait("Wed, 21 Oct 2037 07:28:00 GMT"), null);
  assert.equal(await wait("-1"), null);
});

test("an answer that is no stream is read whole; nonsense is said to be unusable", async () => {
  const json = JSON.stringify({ choices: [{ message: { content: "Hello" }, finish_reason: "stop" }] });
  const whole = await run(() => new Response(json, { headers: { "content-type": "application/json" } }));
  assert.deepEqual(whole.outcome, { kind: "finished", reason: "complete" });
  assert.equal(whole.text, "Hello");
  const html = await run(() => new Response("<html>", { headers: { "content-type": "text/html" } }));
  assert.equal(failureOf(html).code, "unusable_answer");
});
