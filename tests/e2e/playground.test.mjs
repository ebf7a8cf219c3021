// The playground: what a model writes is shown as text with structure, never run; who paid and how much is said.

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { violations } from "../support/axe.mjs";
import { launch } from "../support/chromium.mjs";
import { listen } from "../support/listen.mjs";
import { PASSWORD, addKey, createVault, settings, startChat, state } from "../support/page.mjs";
import { startRelay } from "../support/relay.mjs";
import { CANARY, leaked } from "../support/stack.mjs";

const FOLDER = fileURLToPath(new URL("../../target/screenshots/", import.meta.url));

/** Structure, and everything that should not survive. */
const WRITTEN = [
  "# Heading\n\n",
  "Some **bold** words, `code`, and a [link](https://example.com/x).\n\n- one\n- two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n",
  '<img src=x onerror="globalThis.ran=1"><script>globalThis.ran=2</script>\n\n',
  "[click](javascript:globalThis.ran=3) ![pixel](https://tracker.example/p.png)\n\n",
  '<iframe srcdoc="<script>parent.ran=4</script>"></iframe><form action="https://evil.example"><input name=password></form>\n\n',
  '<a href="#" class="button" style="position:fixed;inset:0" onclick="globalThis.ran=5">x</a>\n\nThe end.',
];

/** @type {import("node:http").Server} */
let provider;
/** @type {import("../support/relay.mjs").Relay} */
let relay;
/** @type {import("playwright-core").Browser} */
let browser;

before(async () => {
  await mkdir(FOLDER, { recursive: true });
  provider = createServer((_, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    const send = (/** @type {object} */ data) => response.write(`data: ${JSON.stringify(data)}\n\n`);
    for (const content of WRITTEN) send({ choices: [{ index: 0, delta: { content } }] });
    send({ choices: [{ index: 0, delta: {}, finish_reason: "stop" }] });
    send({ choices: [], usage: { prompt_tokens: 400_000, completion_tokens: 100_000, total_tokens: 500_000 } });
    response.end("data: [DONE]\n\n");
  });
  relay = await startRelay({ provider: `http://127.0.0.1:${await listen(provider)}` });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await relay?.stop();
  provider?.closeAllConnections();
  provider?.close();
});

for (const [name, options] of /** @type {[string, import("playwright-core").BrowserContextOptions][]} */ ([
  ["light", { colorScheme: "light" }],
  ["dark", { colorScheme: "dark" }],
  ["phone", { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, hasTouch: true }],
])) {
  test(`an answer has structure and runs nothing; payer and cost are told (${name})`, async (t) => {
    const context = await browser.newContext(options);
    t.after(() => context.close());
    const page = await context.newPage();
    await page.goto(relay.origin);
    await createVault(page);
    await addKey(page, "openai", CANARY.openai);
    await page.screenshot({ path: `${FOLDER}page-${name}-keys.png` });
    const found = await violations(page);
    await startChat(page, "openai", "Write something nasty");
    await page.locator('[data-testid="chat-output"][data-done="true"]').waitFor();

    const shown = await page.getByTestId("chat-output").evaluate((output) => ({
      tags: [...new Set([...output.querySelectorAll("*")].map(({ localName }) => localName))].sort(),
      attributes: [...new Set([...output.querySelectorAll("*")].flatMap((element) => element.getAttributeNames()))].sort(),
      links: [...output.querySelectorAll("a")].map((link) => link.getAttribute("href")),
      text: output.textContent ?? "",
    }));
    assert.deepEqual(shown.tags, ["a", "code", "h3", "li", "p", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul"]);
    assert.deepEqual(shown.attributes.filter((name) => !["href", "target", "rel", "align"].includes(name)), []);
    assert.ok(shown.links.every((href) => href === null || href.startsWith("https://example.com/")));
    assert.match(shown.text, /The end\./);
    assert.equal(await page.evaluate("globalThis.ran"), undefined);

    assert.match(await page.getByTestId("chat-payer").innerText(), /Paid with your OpenAI key/);
    const cost = page.getByTestId("chat-cost");
    await cost.filter({ hasText: "tokens" }).waitFor();
    // 400,000 tokens in at $0.15 and 100,000 out at $0.60 a million.
    // 400,000 tokens in at $0.15 a million and 100,000 out at $0.60.
    assert.match(await cost.innerText(), /500,000 tokens, \$0\.12/);
    await page.screenshot({ path: `${FOLDER}page-${name}-chat.png` });
    const wire = page.getByTestId("chat-wire");
    await wire.locator("summary").click();
    const told = await wire.innerText();
    assert.match(told, /POST http:\/\/localhost:\d+\/providers\/openai\/v1\/chat\/completions/);
    assert.match(told, /x-byok-paid-by: user/);
    assert.equal(leaked(told, CANARY.openai), undefined);
    await page.screenshot({ path: `${FOLDER}page-${name}-wire.png` });
    assert.deepEqual([...found, ...(await violations(page))], []);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(wide <= 0, `${wide} px wider than the page`);

    // From a locked vault, the header's button opens the frame's dialog, which closes by itself.
    await page.getByTestId("lock-button").click();
    await state(page, "locked");
    await page.getByTestId("unlock-button").click();
    const dialog = page.frameLocator("dialog iframe");
    await dialog.getByTestId("unlock-password").waitFor();
    await page.waitForTimeout(200);
    await page.screenshot({ path: `${FOLDER}page-${name}-unlock.png` });
    assert.deepEqual(await violations(page), []);
    await dialog.getByTestId("unlock-password").fill(PASSWORD);
    await dialog.getByTestId("unlock-password").press("Enter");
    await state(page, "unlocked");
    await page.locator("dialog[open]").waitFor({ state: "detached" });
    await page.getByTestId("nav-settings").click();
    await settings(page).getByTestId("key-row").waitFor();
  });
}
