// `@anthropic-ai/sdk`, unmodified, through the vault and the relay.

import assert from "node:assert/strict";
import { test } from "node:test";

import { ANSWER } from "../support/standin.mjs";
import { WEATHER, slowAnswer, weatherTool } from "./fixtures.mjs";
import { useSdks } from "./harness.mjs";

const { open } = useSdks({
  apps: ["anthropic"],
  stack: {
    standin: {
      fixtures(mock) {
        weatherTool(mock);
        slowAnswer(mock);
      },
    },
  },
});

test("a message is answered", async (t) => {
  const { run, journal } = await open(t);
  assert.equal(await run("anthropicMessage"), ANSWER);
  const [request] = journal();
  assert.equal(request?.path, "/v1/messages");
  assert.ok(request?.headers["anthropic-version"], "the SDK's own headers reach the provider");
});

test("a message streams in pieces", async (t) => {
  const { run } = await open(t);
  const { final, parts } = await run("anthropicStream");
  assert.equal(final, ANSWER);
  assert.equal(parts.join(""), ANSWER);
  assert.ok(parts.length > 5, `${parts.length} pieces`);
});

test("tools are called and their results taken", async (t) => {
  const { run, journal } = await open(t);
  assert.deepEqual(await run("anthropicTools"), { tool: "weather", arguments: { place: "Oslo" }, text: WEATHER });
  assert.equal(journal().length, 2);
});

test("models are listed", async (t) => {
  const { run } = await open(t);
  assert.ok((await run("anthropicModels")).length > 0);
});

test("an abort in the middle is not tried again", async (t) => {
  const { run, relayed } = await open(t);
  assert.equal(await run("anthropicAbort"), "aborted");
  assert.equal(relayed(), 1);
});
