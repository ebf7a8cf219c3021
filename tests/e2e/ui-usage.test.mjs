// What the keys were used for: by day, by provider and key, and what the same would cost elsewhere.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";

import { violations } from "../support/axe.mjs";
import { launch } from "../support/chromium.mjs";
import { listen } from "../support/listen.mjs";
import { addKey, createVault, settings, settled, startChat } from "../support/page.mjs";
import { startRelay } from "../support/relay.mjs";
import { CANARY } from "../support/stack.mjs";

/** @type {import("node:http").Server} */
let provider;
/** @type {import("../support/relay.mjs").Relay} */
let relay;
/** @type {import("playwright-core").Browser} */
let browser;

before(async () => {
  // Each answer: 400,000 tokens in and 100,000 out. OpenRouter tells the price as well.
  provider = createServer(({ url }, response) => {
    const priced = url?.startsWith("/api/v1/") ? { cost: 0.5 } : {};
    const send = (/** @type {object} */ data) => response.write(`data: ${JSON.stringify(data)}\n\n`);
    response.writeHead(200, { "content-type": "text/event-stream" });
    send({ choices: [{ index: 0, delta: { content: "Yes." }, finish_reason: "stop" }] });
    send({ choices: [], usage: { prompt_tokens: 400_000, completion_tokens: 100_000, total_tokens: 500_000, ...priced } });
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

test("usage is told by day, provider and key, drawn and in tables, and compared with other models' prices", async (t) => {
  const context = await browser.newContext({ locale: "en-US" });
  t.after(() => context.close());
  const page = await context.newPage();
  await page.goto(relay.origin);
  await createVault(page);
  await addKey(page, "openai", CANARY.openai, "Work");
  await addKey(page, "openrouter", CANARY.openrouter);
  const vault = settings(page);
  await vault.getByTestId("section-usage").press("Enter");
  await vault.getByTestId("usage-empty").waitFor();
  for (const id of ["openai", "openrouter", "openai"]) {
    const told = page.getByTestId("chat-cost").filter({ hasText: "500,000 tokens" });
    const before = await told.count();
    await startChat(page, id, "Again?");
    await told.nth(before).waitFor();
  }
  await page.getByTestId("nav-settings").press("Enter");
  await vault.getByTestId("usage-total").waitFor();

  // gpt-4o-mini: $0.15 in, $0.60 out per million; OpenRouter tells its own price.
  assert.equal(await vault.getByTestId("usage-paid").innerText(), "$0.74");
  const table = vault.getByTestId("usage-table").first();
  const rows = () => table.locator("tbody tr").allInnerTexts();
  assert.deepEqual(await rows(), ["OpenRouter\t$0.50\t1\t500,000\t0", "OpenAI\t$0.24\t2\t1,000,000\t0"]);
  await vault.getByTestId("usage-by-key").press("Space");
  await table.getByText("OpenAI: Work").waitFor();
  await vault.getByTestId("usage-days").press("Enter");
  const days = vault.getByTestId("usage-table").nth(1).locator("tbody tr");
  assert.match((await days.allInnerTexts()).join("\n"), /^[A-Z][a-z]{2} \d+\t\$0\.74\t3\t1,500,000\t0$/);

  // The picture has as many colours as there are lines.
  const colours = await vault.locator(".chart canvas").evaluate((canvas) => {
    const context = /** @type {HTMLCanvasElement} */ (canvas).getContext("2d");
    const { width, height } = /** @type {HTMLCanvasElement} */ (canvas);
    const pixels = context?.getImageData(0, 0, width, height).data ?? [];
    /** @type {Map<string, number>} */
    const counted = new Map();
    for (let at = 0; at < pixels.length; at += 4) {
      if (pixels[at + 3] === 255) {
        const colour = `rgb(${pixels[at]}, ${pixels[at + 1]}, ${pixels[at + 2]})`;
        counted.set(colour, (counted.get(colour) ?? 0) + 1);
      }
    }
    return Object.fromEntries(counted);
  });
  for (const swatch of await vault.locator(".swatch").all()) {
    const colour = await swatch.evaluate((element) => getComputedStyle(element).backgroundColor);
    assert.ok((colours[colour] ?? 0) > 50, `${colour} is drawn`);
  }

  await vault.getByTestId("usage-compare").press("Enter");
  // 1.2 million in at $2.50 and 0.3 million out at $10: $6.00, where $0.74 was paid.
  const compared = vault.locator('[data-testid="usage-compared"][data-model="openai/gpt-4o"]');
  assert.deepEqual((await compared.innerText()).split("\t"), ["gpt-4o", "$6.00", "+711%"]);
  await settled(page);
  await vault.locator("keyferry-usage").getByTestId("model-picker").press("Enter");
  await vault.getByTestId("model-search").fill("gpt-4.1");
  await vault.locator('[data-testid="model-option"][data-model="openai/gpt-4.1"]').click();
  // 1.2 × $2 + 0.3 × $8.
  assert.match(await vault.locator('[data-model="openai/gpt-4.1"]').innerText(), /\$4\.80/);
  assert.deepEqual(await violations(page), []);
});
