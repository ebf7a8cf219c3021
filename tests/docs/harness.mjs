// Snippets in the pages of an app, with the relay where the documents say it is, and a person who uses the dialogs.

import { readFile } from "node:fs/promises";
import { after, before } from "node:test";

import { startApp } from "../support/app.mjs";
import { bundle } from "../support/bundle.mjs";
import { launchKnown, startKnownRelay } from "../support/known.mjs";
import { CANARY } from "../support/stack.mjs";
import { startStandin } from "../support/standin.mjs";

/** A file of the package. @param {string} name @param {string} type @returns {import("node:http").RequestListener} */
export function packaged(name, type) {
  return async (_request, response) => {
    const file = new URL(`../../target/npm/keyferry/${name}`, import.meta.url);
    response.writeHead(200, { "content-type": type }).end(await readFile(file));
  };
}

/**
 * @param {object} [options]
 * @param {NonNullable<Parameters<typeof startStandin>[0]>["fixtures"]} [options.fixtures]
 */
export function useDocuments({ fixtures } = {}) {
  /** @type {Awaited<ReturnType<typeof startStandin>>} */
  let standin;
  /** @type {import("../support/relay.mjs").Relay} */
  let relay;
  /** @type {import("../support/app.mjs").App} */
  let app;
  /** @type {import("playwright-core").Browser} */
  let browser;
  /** @type {NonNullable<Parameters<typeof startApp>[0]>} */
  const pages = {
    // What a build leaves beside its script, for page mode.
    "/worker.js": packaged("worker.js", "text/javascript"),
    "/keyferry.wasm": packaged("keyferry.wasm", "application/wasm"),
  };
  let made = 0;

  // Node runs hooks that follow an `await` of the file at once: nobody else may rely on their order.
  /** @type {Promise<void> | undefined} */
  let started;
  const start = async () => {
    standin = await startStandin({ keys: Object.values(CANARY), latency: 0, ...(fixtures && { fixtures }) });
    app = await startApp(pages);
    relay = await startKnownRelay(standin.url, app.origin);
    browser = await launchKnown(relay);
  };
  before(() => (started ??= start()));
  after(async () => {
    await browser?.close();
    await relay?.stop();
    await app?.stop();
    await standin?.stop();
  });

  return {
    pages,
    standin: () => standin,
    relay: () => relay,
    /** Every path the app was asked for. */
    seen: () => app.seen,
    /** A profile of its own. */
    profile: async () => {
      await (started ??= start());
      const context = await browser.newContext();
      await context.grantPermissions(["clipboard-read", "clipboard-write"], { origin: app.origin });
      return context;
    },
    /**
     * A page that runs `source`. Other modules it imports can be given by name.
     * @param {import("playwright-core").BrowserContext} context
     * @param {string} source
     * @param {{ modules?: Record<string, string>, loader?: "js" | "ts" | "tsx", body?: string }} [options]
     */
    async show(context, source, { modules, loader, body = "" } = {}) {
      const path = `/snippet-${++made}`;
      pages[`${path}.js`] = await bundle(source, { ...(modules && { modules }), ...(loader && { loader }) });
      pages[path] = `<!doctype html><html lang="en"><meta charset="utf-8"><title>app</title><body>${body}<script type="module" src="${path}.js"></script></body></html>`;
      const page = await context.newPage();
      const said = /** @type {string[]} */ ([]);
      const failed = /** @type {string[]} */ ([]);
      page.on("console", (message) => void (message.type() === "log" ? said : failed).push(message.text()));
      page.on("pageerror", (error) => void failed.push(String(error)));
      await page.goto(app.origin + path);
      return {
        page,
        /** What it has logged. */
        said,
        /** What went wrong in it. */
        failed,
        /** Waits until it has logged as much, or fails. @param {number} lines */
        async lines(lines) {
          while (said.length < lines) {
            if (failed.length > 0) throw new Error(`the snippet failed: ${failed.join("\n")}\n${source}`);
            await Promise.race([page.waitForEvent("console", { timeout: 30_000 }), page.waitForEvent("pageerror", { timeout: 30_000 }).catch(() => {})]);
          }
          return said;
        },
      };
    },
  };
}
