// What an app sees, through each SDK as it comes, when a key is missing, locked away, bad or over a limit,
// and how often the SDK asks before it says so.

import assert from "node:assert/strict";
import { test } from "node:test";

import { serveGeminiV1 } from "../support/gemini-v1.mjs";
import { CANARY } from "../support/stack.mjs";
import { hurried, useSdks } from "./harness.mjs";

const { open } = useSdks({
  apps: ["refusals"],
  stack: {
    standin: {
      fixtures(mock) {
        serveGeminiV1(mock);
        const error = { message: "Rate limit reached", type: "rate_limit_error" };
        mock.addFixture({ match: { userMessage: "too often" }, response: { error, status: 429, retryAfter: 1 } });
      },
    },
  },
});

/** LangChain retries every status that it does not know, 423 among them, unless told not to. */
const NONE = { maxRetries: 0 };

/**
 * By SDK: whose key it asks for, how often it sends what the provider answered with 429, and what an app
 * must say for a locked vault to be told at once.
 * @type {Record<string, {provider: keyof typeof CANARY, limited: number, locked?: object}>}
 */
const SDKS = {
  openai: { provider: "openai", limited: 3 },
  anthropic: { provider: "anthropic", limited: 3 },
  google: { provider: "google", limited: 1 },
  "ai + openai": { provider: "openai", limited: 3 },
  "ai + anthropic": { provider: "anthropic", limited: 3 },
  "ai + google": { provider: "google", limited: 3 },
  "ai + openrouter": { provider: "openrouter", limited: 3 },
  langchain: { provider: "openai", limited: 7, locked: NONE },
};

for (const [sdk, { provider, limited, locked }] of Object.entries(SDKS)) {
  test(`${sdk}: a missing key is a 401 in one attempt that never leaves the browser`, async (t) => {
    const { run, needed, relayed } = await open(t, {});
    const { status, message } = await run("outcome", sdk, "Hello");
    assert.equal(status, 401);
    assert.match(message, /key/i);
    assert.deepEqual(await needed(), [{ provider, reason: "missing" }]);
    assert.equal(relayed(), 0);
  });

  test(`${sdk}: a locked vault is a 423 in one attempt that never leaves the browser`, async (t) => {
    const { run, needed, relayed } = await open(t);
    await run("lock");
    const { status, message } = await run("outcome", sdk, "Hello", locked);
    assert.equal(status, 423);
    assert.match(message, /locked/i);
    assert.deepEqual((await needed()).map(({ reason }) => reason), ["locked"]);
    assert.equal(relayed(), 0);
  });

  test(`${sdk}: a key that the provider refuses is its 401, asked once`, async (t) => {
    const { run, needed, relayed } = await open(t, { [provider]: `${CANARY[provider].slice(0, -4)}zzzz` });
    const { status } = await run("outcome", sdk, "Hello");
    assert.equal(status, 401);
    assert.equal(relayed(), 1);
    assert.deepEqual(await needed(), []);
  });

  test(`${sdk}: the provider's own 429 is retried as the SDK does without a vault, or not at all`, async (t) => {
    const { page, run, journal } = await open(t);
    assert.equal((await run("outcome", sdk, "Once too often", NONE)).status, 429);
    assert.equal(journal().length, 1);
    const { status } = await hurried(page, () => run("outcome", sdk, "Again too often"));
    assert.equal(status, 429);
    assert.equal(journal().length, 1 + limited);
  });
}

test("langchain retries a locked vault unless told not to, and none of it leaves the browser", async (t) => {
  const { page, run, needed, relayed } = await open(t);
  await run("lock");
  const { status } = await hurried(page, () => run("outcome", "langchain", "Hello"));
  assert.equal(status, 423);
  assert.equal((await needed()).length, 7);
  assert.equal(relayed(), 0);
});
