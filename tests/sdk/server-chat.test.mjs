// examples/ai-sdk-chat: `useChat` in the page, `streamText` in the app's own `/api/chat`, on a lease.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { EXAMPLES, built } from "../consumers/support/build.mjs";
import { PASSWORD, dialogOf, dismiss, fillCreate, fillKey } from "../support/forms.mjs";
import { launchKnown, startKnownRelay } from "../support/known.mjs";
import { start } from "../support/program.mjs";
import { freePort } from "../support/relay.mjs";
import { CANARY, leaked } from "../support/stack.mjs";
import { ANSWER, startStandin } from "../support/standin.mjs";

/** @type {Awaited<ReturnType<typeof startStandin>>} */
let standin;
/** @type {import("../support/relay.mjs").Relay} */
let relay;
/** @type {import("../support/program.mjs").Program} */
let server;
/** @type {import("playwright-core").Browser} */
let browser;
let origin = "";

/** While set, the provider answers without end, and says here when its client has gone. @type {(() => void) | undefined} */
let gone;

/** @param {import("@copilotkit/aimock").LLMock} mock */
function endless(mock) {
  mock.mount("/v1/chat/completions", {
    async handleRequest(_request, response) {
      if (!gone) return false;
      response.writeHead(200, { "content-type": "text/event-stream" });
      const event = { id: "c", object: "chat.completion.chunk", created: 1, model: "gpt-4o-mini", choices: [{ index: 0, delta: { content: "on " } }] };
      const talk = setInterval(() => response.write(`data: ${JSON.stringify(event)}\n\n`), 20);
      response.once("close", () => {
        clearInterval(talk);
        gone?.();
      });
      return true;
    },
  });
}

before(async () => {
  await built("ai-sdk-chat");
  const port = await freePort();
  origin = `http://localhost:${port}`;
  standin = await startStandin({ keys: [CANARY.openai], latency: 5, fixtures: endless });
  relay = await startKnownRelay(standin.url, origin, "debug");
  server = start(process.execPath, ["server.js"], {
    cwd: join(EXAMPLES, "ai-sdk-chat"),
    env: { PORT: String(port), KEYFERRY_RELAY: relay.origin },
  });
  await server.says(origin);
  browser = await launchKnown(relay);
});
after(async () => {
  await browser?.close();
  await server?.stop();
  await relay?.stop();
  await standin?.stop();
});

/** @param {import("node:test").TestContext} t */
async function visit(t) {
  const context = await browser.newContext();
  t.after(() => context.close());
  const page = await context.newPage();
  /** @type {import("playwright-core").Request[]} */
  const asked = [];
  page.on("request", (request) => void (request.url() === `${origin}/api/chat` && asked.push(request)));
  await page.goto(origin);
  standin.clearRequests();
  const answers = page.locator('li[data-role="assistant"]');
  return {
    page,
    asked,
    answers,
    dialog: dialogOf(page),
    async say(text = "Hello") {
      await page.getByRole("textbox", { name: "Message" }).fill(text);
      await page.getByRole("button", { name: "Send" }).click();
    },
  };
}

test("a person is asked for vault and key, and then answered through the app's server", async (t) => {
  const { page, asked, answers, dialog, say } = await visit(t);
  await say();
  await fillCreate(dialog);
  await fillKey(dialog, "openai", CANARY.openai);
  await dismiss(page);
  await answers.filter({ hasText: ANSWER }).waitFor();

  await say("And again");
  await answers.filter({ hasText: ANSWER }).nth(1).waitFor();
  const handles = asked.map((request) => request.headers()["x-byok-lease"] ?? "");
  assert.equal(new Set(handles).size, 2, "each request has a lease of its own");
  const [last] = standin.getRequests().slice(-1);
  assert.equal(last?.path, "/v1/chat/completions");
  assert.equal(JSON.stringify(last?.body).includes("Hello"), true, "the conversation goes along");

  for (const request of asked) {
    assert.match(request.headers()["x-byok-lease"] ?? "", /^kfl_/);
    assert.equal(leaked(JSON.stringify([await request.allHeaders(), request.postData()]), CANARY.openai), undefined);
  }
  const seen = await server.visible();
  assert.equal(leaked(seen, CANARY.openai), undefined);
  for (const handle of handles) assert.equal(seen.includes(handle.slice(-20)), false, "the server wrote a handle");

  await page.getByRole("button", { name: "Lock" }).click();
  await say("Once more");
  await dialog.getByTestId("unlock-password").fill(PASSWORD);
  await dialog.getByTestId("unlock-submit").press("Enter");
  await answers.filter({ hasText: ANSWER }).nth(2).waitFor();
});

test("nothing is sent when the person closes the dialog", async (t) => {
  const { page, asked, dialog, say } = await visit(t);
  await say();
  await dialog.getByTestId("create-password").waitFor();
  await dismiss(page);
  await page.getByRole("alert").filter({ hasText: /vault/i }).waitFor();
  assert.equal(asked.length, 0);
});

test("Stop ends the provider's work, too", { timeout: 120_000 }, async (t) => {
  const { page, answers, dialog, say } = await visit(t);
  const ended = new Promise((resolve) => (gone = () => resolve(null)));
  t.after(() => (gone = undefined));
  await say();
  await fillCreate(dialog);
  await fillKey(dialog, "openai", CANARY.openai);
  await dismiss(page);
  await answers.filter({ hasText: "on on" }).waitFor();
  await page.getByRole("button", { name: "Stop" }).click();
  await ended;
  await page.getByRole("button", { name: "Send" }).and(page.locator(":enabled")).waitFor();
});
