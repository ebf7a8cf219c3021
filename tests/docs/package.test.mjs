// The snippets of the package's own README, as they stand there.

import assert from "node:assert/strict";
import { test } from "node:test";

import { bundle } from "../support/bundle.mjs";
import { PASSWORD } from "../support/page.mjs";
import { CANARY } from "../support/stack.mjs";
import { ANSWER } from "../support/standin.mjs";
import { dialogOf, dismiss, fillCreate, fillKey } from "../support/forms.mjs";
import { KNOWN } from "../support/known.mjs";
import { useDocuments } from "./harness.mjs";
import { readDocument } from "./markdown.mjs";

const readme = await readDocument("vault-wasm/js/README.md");
const { profile, show } = useDocuments();

/** The nth snippet under `heading`, with a relay that is there. @param {string} heading */
function snippet(heading, nth = 0) {
  return readme.take(heading, nth).code.replaceAll("https://relay.example", KNOWN.relay);
}

test("an SDK on the vault's fetch", async () => {
  const context = await profile();
  const { page, lines } = await show(context, `${snippet("keyferry")}
    globalThis.ask = async () => {
      const messages = [{ role: "user", content: "Hello" }];
      return (await openai.chat.completions.create({ model: "gpt-4o-mini", messages })).choices[0].message.content;
    };
    console.log("ready");`);
  await lines(1);
  assert.match(String(await page.evaluate("ask().catch(String)")), /^Error: 401/);
  const dialog = dialogOf(page);
  await fillCreate(dialog);
  await fillKey(dialog, "openai", CANARY.openai);
  await dismiss(page);
  assert.equal(await page.evaluate("ask()"), ANSWER);
  await context.close();
});

test("the settings as a part of a page", async () => {
  const [, element = "", script = ""] = /^([^]*)<script type="module">([^]*)<\/script>$/.exec(snippet("In a frame, or in your page", 0)) ?? [];
  const context = await profile();
  const { page } = await show(context, script, { body: element });
  await fillCreate(page.frameLocator("keyferry-settings iframe"));
  await page.frameLocator("keyferry-settings iframe").getByTestId("key-submit").waitFor();
  await context.close();
});

test("a page that owns its vault", async () => {
  const context = await profile();
  const { page, lines } = await show(context, `${snippet("In a frame, or in your page", 1)}
    Object.assign(globalThis, { vault, begin, unlock });
    console.log("ready");`);
  await lines(1);
  const found = await page.evaluate(
    async ([password, key]) => {
      const { vault, begin, unlock } = Object(globalThis);
      const code = await begin(password, key);
      await vault.lock();
      return [code.length > 20, await unlock("not the password at all"), await unlock(password), (await vault.keys.list()).length];
    },
    [PASSWORD, CANARY.openai],
  );
  assert.deepEqual(found, [true, false, true, 1]);
  await context.close();
});

test("React", async () => {
  const context = await profile();
  const { page } = await show(
    context,
    `import { createRoot } from "react-dom/client";
     ${snippet("React")}
     createRoot(document.getElementById("root")).render(<VaultButton />);`,
    { loader: "tsx", body: '<div id="root"></div>' },
  );
  await page.getByRole("button", { name: "Vault: empty" }).click();
  await fillCreate(dialogOf(page));
  await page.getByText("Vault: unlocked").waitFor({ state: "attached" });
  await context.close();
});

test("work that goes on without the page", async () => {
  const context = await profile();
  const source = `${snippet("Work that goes on without the page")}
    Object.assign(globalThis, { vault, summarise, follow });
    console.log("ready");`;
  const { page, lines } = await show(context, source);
  await lines(1);
  await page.evaluate(() => void Object(globalThis).vault.ui.open("keys"));
  await fillCreate(dialogOf(page));
  await fillKey(dialogOf(page), "openai", CANARY.openai);
  await dismiss(page);
  const { answer, said } = await page.evaluate(async () => {
    /** @type {string[]} */
    const said = [];
    const recording = new Blob(["RIFF\0\0\0\0WAVEfmt ", new Uint8Array(1 << 20)]);
    const answer = await Object(globalThis).summarise(recording, (/** @type {string} */ words) => said.push(words));
    return { answer, said };
  });
  assert.equal(answer, ANSWER);
  assert.ok(said.includes("sent 100 %"), String(said));
  const next = await show(context, source);
  await next.lines(1);
  const handle = await page.evaluate(() => sessionStorage.getItem("job"));
  assert.equal(await next.page.evaluate((handle) => Object(globalThis).follow(handle, () => {}), handle), ANSWER);
  await context.close();
});

test("tests of an app", async (t) => {
  const script = await bundle(snippet("Tests of your app"), { platform: "node" });
  const log = t.mock.method(console, "log", () => {});
  await import(`data:text/javascript,${encodeURIComponent(script)}`);
  assert.deepEqual(log.mock.calls.map(({ arguments: [said] }) => said), ["Hello", 423]);
});

test("no snippet is left out", () => readme.assertAllTaken());
