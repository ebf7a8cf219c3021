// A person at an example's page: makes a vault, puts a key in, chats, locks.

import assert from "node:assert/strict";
import { dialogOf, dismiss, fillCreate, fillKey } from "../../support/forms.mjs";
import { launchKnown, startKnownRelay } from "../../support/known.mjs";
import { freePort } from "../../support/relay.mjs";
import { CANARY } from "../../support/stack.mjs";
import { ANSWER, startStandin } from "../../support/standin.mjs";

/** @typedef {import("playwright-core").Page} Page */
/** @typedef {import("./serve.mjs").Served} Served */

/**
 * A browser with an example's page in it, and the relay the example expects. They and the server
 * are stopped when the test ends.
 * @param {import("node:test").TestContext} t
 * @param {(port: number) => Promise<Served>} serve starts the example's server
 * @param {string} [path]
 */
export async function visit(t, serve, path = "/") {
  const port = await freePort();
  const origin = `http://localhost:${port}`;
  const standin = await startStandin({ keys: [CANARY.openai], latency: 10 });
  t.after(() => standin.stop());
  const relay = await startKnownRelay(standin.url, origin);
  t.after(() => relay.stop());
  const served = await serve(port);
  t.after(() => served.stop());
  const browser = await launchKnown(relay);
  t.after(() => browser.close());
  const page = await browser.newPage();
  /** @type {string[]} */
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(`page error: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") complaints.push(`${message.type()}: ${message.text()}`);
  });
  // Violations of policies that have no message of their own, in this document and in the frame's.
  await page.exposeFunction("complain", (/** @type {string} */ text) => void complaints.push(text));
  await page.addInitScript(() => {
    addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI, sample }) => {
      void Object(globalThis).complain(`${violatedDirective}: ${blockedURI} ${sample}`);
    });
  });
  await page.goto(origin + path);
  return { page, complaints, standin };
}

/**
 * From an empty vault to a locked one, by what the examples have in common.
 * @param {Awaited<ReturnType<typeof visit>>} visited
 * @param {"frame" | "page"} [mode]
 */
export async function useAsAPerson(visited, mode = "frame") {
  try {
    await steps(visited, mode);
  } catch (cause) {
    // What a step waited for in vain is seldom why.
    throw new Error(`the page said: ${visited.complaints.join("; ") || "nothing"}`, { cause });
  }
  assert.deepEqual(visited.complaints, []);
}

/** @param {Awaited<ReturnType<typeof visit>>} visited @param {"frame" | "page"} mode */
async function steps({ page, standin }, mode) {
  await stateIs(page, "empty");
  const dialog = dialogOf(page, mode);
  await page.getByRole("button", { name: "Keys" }).click();
  await fillCreate(dialog);
  await fillKey(dialog, "openai", CANARY.openai);
  await dismiss(page);
  await stateIs(page, "unlocked");

  const pieces = await ask(page);
  assert.ok(pieces > 3, `the answer came in ${pieces} pieces`);
  assert.equal(standin.getRequests().filter(({ response }) => response.status === 200).length, 1);

  await page.getByRole("button", { name: "Lock" }).click();
  await stateIs(page, "locked");
  await page.getByRole("button", { name: "Send" }).click();
  await dialog.getByTestId("unlock-password").waitFor();
}

/** Sends a message, waits for the whole answer; gives how often the page showed more of it. @param {Page} page */
async function ask(page) {
  await page.evaluate(() => {
    const answer = document.querySelector("#answer");
    const seen = new Set();
    new MutationObserver(() => seen.add(answer?.textContent)).observe(answer ?? document, { childList: true, characterData: true, subtree: true });
    Object.assign(globalThis, { seen });
  });
  await page.getByRole("textbox", { name: "Message" }).fill("Hello");
  await page.getByRole("button", { name: "Send" }).click();
  await page.locator("#answer").filter({ hasText: ANSWER }).waitFor();
  assert.equal((await page.locator("#answer").innerText()).trim(), ANSWER);
  return page.evaluate(() => Object(globalThis).seen.size);
}

/** @param {Page} page @param {string} name */
function stateIs(page, name) {
  return page.locator("#state").filter({ hasText: new RegExp(`^${name}$`) }).waitFor();
}
