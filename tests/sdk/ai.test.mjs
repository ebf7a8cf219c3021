// Vercel's `ai` with its providers, unmodified, through the vault and the relay.

import assert from "node:assert/strict";
import { test } from "node:test";

import { ANSWER } from "../support/standin.mjs";
import { WEATHER, slowAnswer, weatherTool } from "./fixtures.mjs";
import { useSdks } from "./harness.mjs";

const { open } = useSdks({
  apps: ["ai"],
  stack: {
    standin: {
      fixtures(mock) {
        weatherTool(mock);
        slowAnswer(mock);
      },
    },
  },
});

for (const [provider, path] of Object.entries({
  openai: "/v1/responses",
  "openai.chat": "/v1/chat/completions",
  anthropic: "/v1/messages",
  google: "/v1beta/models/gemini-2.5-flash:generateContent",
  openrouter: "/api/v1/chat/completions",
})) {
  test(`${provider}: text is generated`, async (t) => {
    const { run, journal } = await open(t);
    assert.equal(await run("aiGenerate", provider), ANSWER);
    assert.equal(journal()[0]?.path, path);
  });

  test(`${provider}: text streams in pieces`, async (t) => {
    const { run } = await open(t);
    const parts = await run("aiStream", provider);
    assert.equal(parts.join(""), ANSWER);
    assert.ok(parts.length > 5, `${parts.length} pieces`);
  });

  test(`${provider}: the tool loop runs to its end`, async (t) => {
    const { run, relayed } = await open(t);
    assert.deepEqual(await run("aiTools", provider), { asked: ["Oslo"], text: WEATHER, steps: 2 });
    assert.equal(relayed(), 2);
  });

  test(`${provider}: an abort in the middle is not tried again`, async (t) => {
    const { run, relayed } = await open(t);
    assert.equal(await run("aiAbort", provider), "abort");
    assert.equal(relayed(), 1);
  });
}
