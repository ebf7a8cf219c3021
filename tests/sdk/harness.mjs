// One app, built with unmodified SDKs, on an origin of its own; a relay, and a stand-in for every provider.

import { after, before } from "node:test";

import { startApp } from "../support/app.mjs";
import { bundle } from "../support/bundle.mjs";
import { PASSWORD } from "../support/forms.mjs";
import { CANARY, startStack } from "../support/stack.mjs";

/** @typedef {import("playwright-core").Page} Page */
/** @typedef {keyof typeof CANARY} ProviderId */

const PAGE = `<!doctype html><html lang="en"><meta charset="utf-8"><title>app</title>
<body><script type="module" src="/app.js"></script></body></html>`;

/** Where this app serves the two files that a bundle leaves outside. */
const FILES = { workerUrl: "/keyferry/worker.js", wasmUrl: "/keyferry/keyferry.wasm" };

/** What the built app puts on `globalThis`. */
const entry = (/** @type {readonly string[]} */ apps) => `
import { openVault } from "keyferry";
${apps.map((app, i) => `import * as app${i} from "./apps/${app}.js";`).join("\n")}
Object.assign(globalThis, { openVault, sdk: { ${apps.map((_, i) => `...app${i}`).join(", ")} }, ready: true });
`;

/**
 * @param {object} options
 * @param {string[]} options.apps modules in apps/, whose exports tests call by name
 * @param {Parameters<typeof startStack>[0]} [options.stack]
 */
export function useSdks({ apps, stack: options = {} }) {
  /** @type {Awaited<ReturnType<typeof startStack>>} */
  let stack;
  /** @type {import("../support/app.mjs").App} */
  let app;
  before(async () => {
    app = await startApp({ "/": PAGE, "/app.js": await bundle(entry(apps)) });
    stack = await startStack({
      standin: { latency: 0, keys: Object.values(CANARY), ...options.standin },
      relay: {
        server: `allowed_origins = ["${app.origin}"]`,
        embedders: [app.origin],
        ...options.relay,
      },
    });
  });
  after(async () => {
    await stack?.stop();
    await app?.stop();
  });

  return {
    /**
     * A page of its own profile with an open vault that holds `keys`.
     * @param {import("node:test").TestContext} t
     * @param {Partial<Record<ProviderId, string>>} [keys]
     */
    async open(t, keys = CANARY) {
      const context = await stack.browser.newContext();
      t.after(() => context.close());
      const page = await context.newPage();
      const relayed = { count: 0 };
      context.on("request", (request) => {
        if (request.url().startsWith(`${stack.relay.origin}/providers/`) && request.method() !== "OPTIONS") relayed.count += 1;
      });
      await page.goto(app.origin);
      await page.waitForFunction("globalThis.ready");
      await page.evaluate(
        async ({ relay, files, password, keys }) => {
          const { openVault } = /** @type {any} */ (globalThis);
          const vault = await openVault({ relay, mode: "page", worker: "dedicated", ...files });
          await vault.create(password);
          for (const [provider, key] of Object.entries(keys)) await vault.keys.add({ provider, key });
          const needed = /** @type {unknown[]} */ ([]);
          vault.addEventListener("keyneeded", (/** @type {CustomEvent} */ { detail }) => void needed.push(detail));
          Object.assign(globalThis, { vault, needed });
        },
        { relay: stack.relay.origin, files: FILES, password: PASSWORD, keys },
      );
      stack.standin.clearRequests();
      return {
        page,
        /** Requests that left the browser for a provider, through the relay. */
        relayed: () => relayed.count,
        /** Requests the provider saw. */
        journal: () => stack.standin.getRequests(),
        /** `keyneeded` events so far: one for each request the vault refused. @returns {Promise<{reason: string, provider?: string}[]>} */
        needed: () => page.evaluate(() => /** @type {any} */ (globalThis).needed),
        /** Calls an export of an app with the vault. @param {string} name @param {unknown[]} args @returns {Promise<any>} */
        run: (name, ...args) =>
          page.evaluate(
            ({ name, args }) => {
              const { sdk, vault } = /** @type {any} */ (globalThis);
              return sdk[name](vault, ...args);
            },
            { name, args },
          ),
      };
    },
  };
}

/**
 * What `start` comes to while the page's clock runs fast: what SDKs wait between two attempts passes at once.
 * @template T @param {Page} page @param {() => Promise<T>} start
 */
export async function hurried(page, start) {
  await page.clock.install();
  let settled = false;
  const work = start();
  void work.finally(() => (settled = true)).catch(() => {});
  while (!settled) await page.clock.runFor(500);
  return work;
}
