// `@google/genai`, unmodified, through `vault.interceptFetch()` and the relay.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";

import { serveGeminiFiles } from "../support/gemini-files.mjs";
import { serveGeminiV1 } from "../support/gemini-v1.mjs";
import { ANSWER } from "../support/standin.mjs";
import { WEATHER, weatherTool } from "./fixtures.mjs";
import { useSdks } from "./harness.mjs";

const { open } = useSdks({
  apps: ["google"],
  stack: {
    standin: {
      fixtures(mock) {
        weatherTool(mock);
        serveGeminiV1(mock);
        serveGeminiFiles(mock);
      },
    },
  },
});

test("content is generated", async (t) => {
  const { run, journal } = await open(t);
  assert.equal(await run("googleGenerate"), ANSWER);
  assert.equal(journal()[0]?.path, "/v1beta/models/gemini-2.5-flash:generateContent");
});

test("content streams in pieces", async (t) => {
  const { run } = await open(t);
  const parts = await run("googleStream");
  assert.equal(parts.join(""), ANSWER);
  assert.ok(parts.length > 5, `${parts.length} pieces`);
});

test("functions are called and their results taken", async (t) => {
  const { run } = await open(t);
  assert.deepEqual(await run("googleTools"), { tool: "weather", arguments: { place: "Oslo" }, text: WEATHER });
});

test("a file is uploaded whole, in pieces, and asked about", async (t) => {
  const { run, relayed } = await open(t);
  const size = 9_000_000; // more than the 8 MiB that the SDK sends at a time
  const { uploaded, text } = await run("googleUpload", size);
  const bytes = Uint8Array.from({ length: size }, (_, i) => i % 251);
  assert.equal(uploaded.sizeBytes, String(size));
  assert.equal(uploaded.sha256Hash, createHash("sha256").update(bytes).digest("base64"));
  assert.equal(uploaded.mimeType, "audio/wav");
  assert.equal(text, ANSWER);
  assert.equal(relayed(), 4, "start, two pieces, question");
});

test("the SDK's own fetch option works too", async (t) => {
  const { run } = await open(t);
  assert.equal(await run("googleFetchOption"), ANSWER);
});

test("only providers are intercepted, and only until the undo", async (t) => {
  const { run, relayed } = await open(t);
  assert.deepEqual(await run("googleUndo"), { swapped: true, other: true, restored: true });
  assert.equal(relayed(), 0);
});
