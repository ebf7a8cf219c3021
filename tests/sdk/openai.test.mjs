// `openai`, unmodified, through the vault and the relay.

import assert from "node:assert/strict";
import { test } from "node:test";

import { ANSWER } from "../support/standin.mjs";
import { WEATHER, slowAnswer, weatherTool } from "./fixtures.mjs";
import { useSdks } from "./harness.mjs";

const { open } = useSdks({
  apps: ["openai"],
  stack: {
    standin: {
      fixtures(mock) {
        weatherTool(mock);
        slowAnswer(mock);
        mock.addFixture({ match: { userMessage: "never" }, response: () => new Promise(() => {}) });
        const overloaded = { error: { message: "Overloaded", type: "server_error" }, status: 503 };
        for (const sequenceIndex of [0, 1]) {
          mock.addFixture({ match: { userMessage: "two failures", sequenceIndex }, response: overloaded });
        }
        mock.addFixture({ match: { inputText: /one|two/ }, response: { embedding: [0.1, 0.2, 0.3] } });
      },
    },
  },
});

test("a chat is answered, on the person's key", async (t) => {
  // The stand-in takes no other keys, the SDK's placeholder least of all.
  const { run, journal } = await open(t);
  assert.deepEqual(await run("openaiChat"), { text: ANSWER, paidBy: "user" });
  assert.equal(journal()[0]?.path, "/v1/chat/completions");
});

test("a chat streams in pieces", async (t) => {
  const { run } = await open(t);
  const parts = await run("openaiStream");
  assert.equal(parts.join(""), ANSWER);
  assert.ok(parts.length > 5, `${parts.length} pieces`);
});

test("tools are called and their results taken", async (t) => {
  const { run, journal } = await open(t);
  assert.deepEqual(await run("openaiTools"), { tool: "weather", arguments: { place: "Oslo" }, text: WEATHER });
  assert.equal(journal().length, 2);
});

test("responses answer, at once and streaming", async (t) => {
  const { run } = await open(t);
  assert.equal(await run("openaiResponses"), ANSWER);
  assert.deepEqual(await run("openaiResponsesStream"), { text: ANSWER, last: "response.completed" });
});

test("embeddings arrive", async (t) => {
  const { run } = await open(t);
  assert.deepEqual(await run("openaiEmbeddings"), [3, 3]);
});

test("a recording is uploaded and transcribed", async (t) => {
  const { run, journal } = await open(t);
  assert.match(await run("openaiTranscription"), /transcribed by the stand-in/);
  assert.equal(journal().length, 1, "the SDK's probe of fetch reaches nobody");
});

test("models are listed", async (t) => {
  const { run } = await open(t);
  const models = await run("openaiModels");
  assert.ok(models.length > 0 && models.every((/** @type {unknown} */ id) => typeof id === "string"));
});

test("an abort ends the answer in the middle, and before it begins", async (t) => {
  const { run, relayed } = await open(t);
  assert.equal(await run("openaiAbort"), 1);
  assert.equal(await run("openaiAbortEarly"), "aborted");
  assert.equal(relayed(), 2, "what the app aborted is not tried again");
});

test("the SDK's own retries work as they do without a vault", async (t) => {
  const { run, relayed } = await open(t);
  assert.deepEqual(await run("openaiRetries"), { text: ANSWER });
  assert.equal(relayed(), 3);
});

test("a data: URL is answered without the vault, even where the page may not fetch one", async (t) => {
  const { run, page, relayed } = await open(t);
  await page.evaluate(() => {
    const rule = Object.assign(document.createElement("meta"), { httpEquiv: "Content-Security-Policy", content: "connect-src 'self'" });
    document.head.append(rule);
  });
  const text = (/** @type {string} */ url) => run("fetched", url);
  assert.deepEqual(await text("data:,"), { url: "data:,", status: 200, type: "text/plain;charset=US-ASCII", bytes: [] });
  assert.deepEqual((await text("data:text/plain,a%20b%ff")).bytes, [97, 32, 98, 255]);
  assert.deepEqual(await text("data:;charset=utf-8;base64,aGk="), {
    url: "data:;charset=utf-8;base64,aGk=", status: 200, type: "text/plain;charset=utf-8", bytes: [104, 105],
  });
  assert.equal((await text(`data:;base64,${"AAAA".repeat(100_000)}`)).bytes.length, 300_000);
  assert.deepEqual(await text("data:;base64,%"), "TypeError");
  assert.deepEqual(await text("data:nothing"), "TypeError");
  assert.equal(relayed(), 0);
});
