// Every recipe of docs/sdks.md, as it stands there.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { bundle } from "../support/bundle.mjs";
import { CANARY } from "../support/stack.mjs";
import { ANSWER } from "../support/standin.mjs";
import { serveGeminiV1 } from "../support/gemini-v1.mjs";
import { dialogOf, dismiss, fillCreate, fillKey } from "../support/forms.mjs";
import { useDocuments } from "./harness.mjs";
import { readDocument } from "./markdown.mjs";

const recipes = await readDocument("docs/sdks.md");
const vault = recipes.take("SDKs").code;
const modules = { "./vault.js": vault };
const { pages, profile, relay, show } = useDocuments({ fixtures: serveGeminiV1 });

/** @type {Promise<import("playwright-core").BrowserContext> | undefined} */
let unlocked;

/** A profile with an open vault and a key of each provider, made once. */
const person = () => (unlocked ??= makeVault());

async function makeVault() {
  const context = await profile();
  // One tab keeps the vault open for all others, as a person's would.
  const { page } = await show(context, `import { vault } from "./vault.js"; globalThis.vault = vault;`, { modules });
  await page.waitForFunction("globalThis.vault");
  const closed = page.evaluate("vault.ui.open('keys')");
  const dialog = dialogOf(page);
  await fillCreate(dialog);
  for (const [provider, key] of Object.entries(CANARY)) await fillKey(dialog, provider, key);
  await dismiss(page);
  await closed;
  return context;
}

for (const [heading, nth, expected] of /** @type {const} */ ([
  ["OpenAI", 0, [ANSWER]],
  ["Uploads", 0, ["A short recording, transcribed by the stand-in provider."]],
  ["Every provider through one client", 0, [ANSWER, ANSWER, ANSWER]],
  ["Anthropic", 0, [ANSWER]],
  ["Google", 0, [ANSWER]],
  ["SDKs without a fetch option", 0, [ANSWER]],
  ["Vercel AI SDK", 0, [ANSWER, ANSWER, ANSWER]],
  ["OpenRouter", 0, [ANSWER]],
  ["LangChain", 0, [ANSWER]],
  ["No SDK", 0, [`user ${ANSWER}`]],
])) {
  test(heading, async () => {
    const { page, lines, failed } = await show(await person(), recipes.take(heading, nth).code, { modules });
    assert.deepEqual(await lines(expected.length), expected);
    assert.deepEqual(failed, []);
    await page.close();
  });
}

test("On your server", async () => {
  const page = recipes.take("On your server", 0).code;
  const script = (await bundle(recipes.take("On your server", 1).code, { platform: "node" })).replaceAll("http://localhost:8787", relay().origin);
  const { ask } = await import(`data:text/javascript,${encodeURIComponent(script)}`);
  pages["/api/ask"] = async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const headers = { "x-byok-lease": String(request.headers["x-byok-lease"]) };
    const answer = await ask(new Request("http://app.example/api/ask", { method: "POST", headers, body: Buffer.concat(chunks) }));
    response.writeHead(answer.status).end(await answer.text());
  };
  const { lines, failed } = await show(await person(), page, { modules });
  assert.deepEqual(await lines(1), [ANSWER]);
  assert.deepEqual(failed, []);
});

test("the vault's module asks for what is missing", async () => {
  const fresh = await profile();
  const { page } = await show(fresh, recipes.take("No SDK").code, { modules });
  await dialogOf(page).getByTestId("create-password").waitFor();
  await fresh.close();
});

test("the versions named are those tried", async () => {
  const { dependencies } = JSON.parse(await readFile(new URL("../sdk/package.json", import.meta.url), "utf8"));
  const text = await readFile(new URL("../../docs/sdks.md", import.meta.url), "utf8");
  const rows = [...text.matchAll(/^\| \[`([^`]+)`\][^|]*\| ([\d.]+) \|/gm)].map(([, name, version]) => [name, version]);
  assert.equal(rows.length, 5);
  assert.deepEqual(rows, rows.map(([name]) => [name, dependencies[String(name)]]));
});

test("no recipe is left out", () => recipes.assertAllTaken());
