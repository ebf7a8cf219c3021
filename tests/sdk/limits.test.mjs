// The relay's own limits, through each SDK as it comes: which status the app sees, after how many requests.

import assert from "node:assert/strict";
import { test } from "node:test";

import { serveGeminiV1 } from "../support/gemini-v1.mjs";
import { CANARY } from "../support/stack.mjs";
import { hurried, useSdks } from "./harness.mjs";

const { open } = useSdks({
  apps: ["refusals"],
  stack: { relay: { config: "[limits]\nbyok_requests_per_hour = 1\n" }, standin: { keys: undefined, fixtures: serveGeminiV1 } },
});

/**
 * By SDK: whose key it asks for, and how often it sends what the relay refuses. Vercel's SDK does not look
 * at `x-should-retry`, and takes `maxRetries: 0` from the app.
 * @type {Record<string, {provider: keyof typeof CANARY, asked: number}>}
 */
const SDKS = {
  openai: { provider: "openai", asked: 1 },
  anthropic: { provider: "anthropic", asked: 1 },
  google: { provider: "google", asked: 1 },
  "ai + openai": { provider: "openai", asked: 3 },
  "ai + anthropic": { provider: "anthropic", asked: 3 },
  "ai + google": { provider: "google", asked: 3 },
  "ai + openrouter": { provider: "openrouter", asked: 3 },
  langchain: { provider: "openai", asked: 1 },
};

for (const [index, [sdk, { provider, asked }]] of Object.entries(SDKS).entries()) {
  test(`${sdk}: a limit of the relay is a 429 that costs the provider nothing`, async (t) => {
    // The relay counts by key: each SDK has its own.
    const { page, run, relayed, journal } = await open(t, { [provider]: `${CANARY[provider].slice(0, -4)}zzz${index}` });
    assert.deepEqual(await run("outcome", sdk, "Hello"), { answered: true });
    const { status, message } = await run("outcome", sdk, "Hello", { maxRetries: 0 });
    assert.equal(status, 429);
    assert.match(message, /limit|requests/i);
    assert.equal(relayed(), 2, "told not to retry, every SDK asks once");
    const again = await hurried(page, () => run("outcome", sdk, "Hello"));
    assert.equal(again.status, 429);
    assert.equal(relayed(), 2 + asked);
    assert.equal(journal().length, 1, "the provider was asked by the first only");
  });
}
