// LangChain's `ChatOpenAI`, unmodified, through the vault and the relay.

import assert from "node:assert/strict";
import { test } from "node:test";

import { ANSWER } from "../support/standin.mjs";
import { WEATHER, weatherTool } from "./fixtures.mjs";
import { useSdks } from "./harness.mjs";

const { open } = useSdks({ apps: ["langchain"], stack: { standin: { fixtures: weatherTool } } });

test("a model is invoked", async (t) => {
  const { run, relayed } = await open(t);
  assert.equal(await run("langchainInvoke"), ANSWER);
  assert.equal(relayed(), 1);
});

test("a model streams in pieces", async (t) => {
  const { run } = await open(t);
  const parts = await run("langchainStream");
  assert.equal(parts.join(""), ANSWER);
  assert.ok(parts.length > 5, `${parts.length} pieces`);
});

test("tools are called and their results taken", async (t) => {
  const { run } = await open(t);
  assert.deepEqual(await run("langchainTools"), { tool: "weather", arguments: { place: "Oslo" }, text: WEATHER });
});
