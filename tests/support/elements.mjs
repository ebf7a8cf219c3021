// An app's page that places the vault's elements, with relays it may use, their provider and a browser: one for a
// test file.

import { mkdir } from "node:fs/promises";
import { after, before } from "node:test";
import { fileURLToPath } from "node:url";

import { startApp } from "./app.mjs";
import { launch } from "./chromium.mjs";
import { startRelay } from "./relay.mjs";
import { CANARY } from "./stack.mjs";
import { startStandin } from "./standin.mjs";

/** Where pictures of what was seen go. */
export const SCREENSHOTS = fileURLToPath(new URL("../../target/screenshots/", import.meta.url));

/**
 * @typedef {object} Elements there once the tests run
 * @property {string} origin the app's
 * @property {string} relay the relay's origin
 * @property {string} moved that of another relay the app may use
 * @property {import("playwright-core").Browser} browser
 */

/**
 * The page takes its language from `?lang=`. `script` is its module: it gets the page's query, and may fill `#place`.
 * @param {(asked: URLSearchParams, elements: Elements) => string} script
 * @returns {Elements}
 */
export function useElements(script) {
  /** @type {(() => Promise<unknown>)[]} */
  const ends = [];
  const elements = /** @type {Elements} */ ({});
  before(async () => {
    await mkdir(SCREENSHOTS, { recursive: true });
    const standin = await startStandin({ keys: [CANARY.openai] });
    ends.push(() => standin.stop());
    const app = await startApp({
      "/": (request, response) => {
        const asked = new URL(request.url ?? "/", "http://app").searchParams;
        const lang = asked.get("lang") ?? "en";
        response.writeHead(200, { "content-type": "text/html" }).end(`<!doctype html>
<html lang="${lang}" dir="${lang === "ar" ? "rtl" : "ltr"}"><head><meta charset="utf-8"><title>app</title><meta name="color-scheme" content="light dark">
<meta name="viewport" content="width=device-width, initial-scale=1"><style>body { background: Canvas; color: CanvasText; }</style></head>
<body><main><h1>App</h1><div id="place"></div></main><script type="module">${script(asked, elements)}</script></body></html>`);
      },
    });
    ends.push(() => app.stop());
    const allowed = { provider: standin.url, server: `allowed_origins = ["${app.origin}"]`, embedders: [app.origin] };
    const [relay, moved] = [await startRelay(allowed), await startRelay(allowed)];
    ends.push(() => relay.stop(), () => moved.stop());
    const browser = await launch();
    ends.push(() => browser.close());
    Object.assign(elements, { origin: app.origin, relay: relay.origin, moved: moved.origin, browser });
  });
  after(async () => {
    for (const end of ends.reverse()) await end();
  });
  return elements;
}
