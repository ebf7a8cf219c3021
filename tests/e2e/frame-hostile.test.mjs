// What pages and scripts that mean ill can get from a vault in its frame: nothing but its use.
/// <reference path="../browser/globals.d.ts" />

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { startApp } from "../support/app.mjs";
import { launch, launchWithAllFeatures } from "../support/chromium.mjs";
import { PASSWORD, fillDialog } from "../support/forms.mjs";
import { startRelay } from "../support/relay.mjs";
import { CANARY, leaked } from "../support/stack.mjs";
import { startStandin } from "../support/standin.mjs";

/** @typedef {import("playwright-core").Page} Page */

const LISTENER = `
self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
const seen = [];
self.addEventListener("fetch", ({ request }) => void seen.push(request.url + " " + JSON.stringify([...request.headers])));
self.addEventListener("message", ({ ports }) => ports[0].postMessage(seen));`;

/** @type {import("../support/app.mjs").App} */
let app;
/** The same app under a name that is another site to the browser. @type {string} */
let elsewhere;
/** @type {import("../support/app.mjs").App} */
let evil;
/** @type {import("../support/relay.mjs").Relay} */
let relay;
/** @type {Awaited<ReturnType<typeof startStandin>>} */
let standin;
/** @type {import("playwright-core").Browser} */
let browser;

before(async () => {
  standin = await startStandin({ keys: [CANARY.openai] });
  evil = await startApp({
    "/around": (request, response) => {
      const inner = new URL(request.url ?? "", evil.origin).searchParams.get("app");
      response.writeHead(200, { "content-type": "text/html" }).end(`<!doctype html><title>evil</title><iframe src="${inner}"></iframe>`);
    },
    // Names a vault origin that sends the frame elsewhere.
    "/.well-known/keyferry": (_, response) => {
      response.writeHead(200, { "content-type": "application/json", "access-control-allow-origin": "*" });
      response.end(JSON.stringify({ vaultOrigin: relay.origin }));
    },
    "/moved/.well-known/keyferry": (_, response) => {
      response.writeHead(302, { location: `${relay.origin}/.well-known/keyferry`, "access-control-allow-origin": "*" }).end();
    },
    // Names itself as the vault's origin, and sends the frame on to the real one.
    "/astray/.well-known/keyferry": (_, response) => {
      response.writeHead(200, { "content-type": "application/json", "access-control-allow-origin": "*" });
      response.end(JSON.stringify({ vaultOrigin: evil.origin }));
    },
    "/frame": (_, response) => void response.writeHead(302, { location: `${relay.vault}/frame` }).end(),
    "/around-frame": (_, response) => {
      response.writeHead(200, { "content-type": "text/html" }).end(`<!doctype html><title>evil</title><iframe src="${relay.vault}/frame"></iframe>`);
    },
    "/posts": `<!doctype html><title>evil</title><script>addEventListener("message", (e) => { globalThis.got = e.data; });</script>`,
  });
  app = await startApp({
    "/sw.js": LISTENER,
    "/settings": `<!doctype html><html lang="en"><meta charset="utf-8"><title>app</title><body><script type="module">
      import * as kf from "/keyferry/index.js";
      import "/keyferry/elements.js";
      globalThis.kf = kf;
      globalThis.ready = true;
      </script></body></html>`,
  });
  elsewhere = app.origin.replace("localhost", "127.0.0.1");
  relay = await startRelay({
    provider: standin.url,
    server: `allowed_origins = ["${app.origin}", "${elsewhere}", "${evil.origin}"]`,
    embedders: [app.origin, elsewhere],
  });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await relay?.stop();
  await app?.stop();
  await evil?.stop();
  await standin?.stop();
});

/** A page of the app in a profile of its own. @param {import("node:test").TestContext} t */
async function opened(t, url = `${app.origin}/settings`) {
  const context = await browser.newContext();
  t.after(() => context.close());
  const page = await context.newPage();
  await page.goto(url);
  await page.waitForFunction("globalThis.ready");
  return page;
}

/** Has the page open its vault, create it through the frame's dialog and take in a key. @param {Page} page */
async function prepared(page) {
  await page.evaluate(async (relay) => {
    globalThis.vault = await kf.openVault({ relay });
    void vault.ui.open("keys");
  }, relay.origin);
  return fillDialog(page, "openai", CANARY.openai);
}

/** Sends a request through the vault, with the key. @param {Page} page */
function spend(page) {
  return page.evaluate(async (relay) => {
    const response = await vault.fetch(`${relay}/providers/openai/v1/models`);
    return { status: response.status, url: response.url };
  }, relay.origin);
}

test("another script of the app's page can use the vault and nothing else", async (t) => {
  const page = await opened(t);
  await prepared(page);
  assert.deepEqual(await spend(page), { status: 200, url: `${relay.origin}/providers/openai/v1/models` });

  const outcomes = await page.evaluate(async () => {
    const bytes = new Uint8Array(8);
    /** @type {Record<string, () => unknown>} */
    const attempts = {
      list: () => vault.keys.list(),
      add: () => vault.keys.add({ provider: "openai", key: "sk-attacker-0123456789abcdef0123" }),
      remove: () => vault.keys.remove("0".repeat(32)),
      create: () => vault.create("correct horse battery staple"),
      unlock: () => vault.unlock({ password: "correct horse battery staple" }),
    };
    /** @type {Record<string, unknown>} */
    const results = {};
    for (const [name, attempt] of Object.entries(attempts)) {
      results[name] = await Promise.resolve().then(attempt).then(() => "done", (error) => error.code);
    }
    const frame = document.querySelector("iframe");
    results.document = frame?.contentDocument;
    try {
      results.reach = String(frame?.contentWindow?.document);
    } catch (error) {
      results.reach = /** @type {Error} */ (error).name;
    }
    // The same over a raw port, claiming to be an owner, and over a port given on from there.
    const raw = /** @param {MessagePort} port */ async (port) => {
      /** @type {any[]} */
      const heard = [];
      port.onmessage = ({ data }) => heard.push(data);
      const hello = { t: "hello", v: 1, name: "default", relay: location.origin, wasm: "", life: null, capability: "owner", streams: true, hidden: false };
      port.postMessage(hello);
      for (const op of ["keysList", "keysReveal", "keysAdd", "exportBackup", "destroy", "create", "unlock", "changePassword"]) {
        await new Promise((resolve) => setTimeout(resolve, 30));
        port.postMessage({ t: "call", id: op, op, args: {} });
        port.postMessage({ t: "call", id: heard.length, op, args: { id: "x", password: bytes } });
      }
      await new Promise((resolve) => setTimeout(resolve, 300));
      return heard.filter(({ t }) => t === "result" || t === "failed").map(({ t, failure }) => failure?.code ?? t);
    };
    results.raw = await raw(vault.share());
    return results;
  });
  assert.deepEqual(outcomes, {
    list: "forbidden",
    add: "forbidden",
    remove: "forbidden",
    create: "forbidden",
    unlock: "forbidden",
    document: null,
    reach: "SecurityError",
    raw: Array(8).fill("forbidden"),
  });
});

test("the app's page hears no key, password or recovery code, whatever it listens to", async (t) => {
  const context = await browser.newContext();
  t.after(() => context.close());
  const page = await context.newPage();
  await page.addInitScript(() => {
    if (window !== window.top) return;
    /** @type {string[]} */
    const heard = [];
    Object.assign(globalThis, { heard });
    const note = (/** @type {unknown} */ value) => {
      const walk = (/** @type {any} */ v, depth = 4) => {
        if (typeof v === "string") heard.push(v);
        else if (ArrayBuffer.isView(v)) heard.push(new TextDecoder("latin1").decode(v));
        else if (v instanceof ArrayBuffer) walk(new Uint8Array(v));
        else if (v && typeof v === "object" && depth) for (const inner of Object.values(v)) walk(inner, depth - 1);
      };
      walk(value);
    };
    for (const type of ["keydown", "keypress", "keyup", "input", "beforeinput", "change", "paste", "copy", "submit", "focusin"]) {
      addEventListener(type, (event) => note({ key: /** @type {any} */ (event).key, data: /** @type {any} */ (event).data, value: /** @type {any} */ (event.target)?.value }), true);
    }
    addEventListener("message", ({ data }) => note(data), true);
    const post = MessagePort.prototype.postMessage;
    MessagePort.prototype.postMessage = /** @param {[any, any]} args */ function (...args) {
      note(args[0]);
      return post.apply(this, args);
    };
    const { get, set } = /** @type {any} */ (Object.getOwnPropertyDescriptor(MessagePort.prototype, "onmessage"));
    Object.defineProperty(MessagePort.prototype, "onmessage", {
      get,
      set(listener) {
        set.call(this, (/** @type {MessageEvent} */ event) => (note(event.data), listener?.call(this, event)));
      },
    });
    const fetched = globalThis.fetch;
    globalThis.fetch = (...args) => (note(String(args[0])), note(args[1]), fetched(...args));
  });
  await page.goto(`${app.origin}/settings`);
  await page.waitForFunction("globalThis.ready");
  const code = await prepared(page);
  assert.equal((await spend(page)).status, 200);
  const heard = (await page.evaluate(() => /** @type {string[]} */ (Reflect.get(globalThis, "heard")))).join("\n");
  assert.match(heard, /providers\/openai/, "the listening works: what the app itself sends is heard");
  assert.equal(leaked(heard, CANARY.openai), undefined);
  assert.ok(!heard.includes(PASSWORD) && !heard.includes(code));
});

test("a service worker of the app's origin sees no request with a key", async (t) => {
  const page = await opened(t);
  await page.evaluate(async () => {
    await navigator.serviceWorker.register("/sw.js");
    await navigator.serviceWorker.ready;
    if (!navigator.serviceWorker.controller) await new Promise((resolve) => navigator.serviceWorker.addEventListener("controllerchange", resolve, { once: true }));
  });
  await page.reload();
  await page.waitForFunction("globalThis.ready");
  await prepared(page);
  assert.equal((await spend(page)).status, 200);
  const seen = () =>
    page.evaluate(async () => {
      const { port1, port2 } = new MessageChannel();
      navigator.serviceWorker.controller?.postMessage(null, [port2]);
      return new Promise((resolve) => (port1.onmessage = ({ data }) => resolve(data.join("\n"))));
    });
  const framed = await seen();
  assert.match(framed, /keyferry\/index\.js/, "it saw what the page itself loads");
  assert.doesNotMatch(framed, /providers\/openai|x-byok|\/frame/);
  assert.equal(leaked(framed, CANARY.openai), undefined);

  // The control: with the vault on the app's own origin it does see them, which is why there is a frame.
  await page.evaluate(
    async ([relay, password, key]) => {
      const own = await kf.openVault({ relay, name: "own", mode: "page", worker: "dedicated" });
      await own.create(password);
      await own.keys.add({ provider: "openai", key });
      await own.fetch(`${relay}/providers/openai/v1/models`);
    },
    [relay.origin, PASSWORD, CANARY.openai],
  );
  assert.match(await seen(), /x-byok-key/);
});

test("a page that is not on the list gets no frame, nor does one around a page that is", async (t) => {
  const page = await opened(t, evil.origin);
  const outcome = await page.evaluate(async (relay) => {
    const { code } = await kf.openVault({ relay }).catch((error) => error);
    return { code, frames: document.querySelectorAll("iframe").length };
  }, relay.origin);
  assert.deepEqual(outcome, { code: "worker_failed", frames: 0 });

  // Nor by its own hand: the browser itself refuses to show it there.
  await page.goto(`${evil.origin}/around-frame`);
  assert.deepEqual(
    page.frames().filter((frame) => frame.url().startsWith(relay.vault)),
    [],
  );

  await page.goto(`${evil.origin}/around?app=${encodeURIComponent(`${app.origin}/settings`)}`);
  const inner = page.frames().find((frame) => frame.url().startsWith(app.origin));
  await inner?.waitForFunction("globalThis.ready");
  const code = await inner?.evaluate(async (relay) => (await kf.openVault({ relay }).catch((error) => error)).code, relay.origin);
  assert.equal(code, "worker_failed");
});

test("the frame checks the sender itself, not only who embeds it", async (t) => {
  const page = await opened(t);
  await page.route("**/frame/embedders", (route) => route.fulfill({ json: [evil.origin] }));
  const code = await page.evaluate(async (relay) => (await kf.openVault({ relay }).catch((error) => error)).code, relay.origin);
  assert.equal(code, "forbidden");
});

test("an app on another site that embeds the same frame has a vault of its own", async (t) => {
  const shipped = await launchWithAllFeatures();
  t.after(() => shipped.close());
  const page = await (await shipped.newContext()).newPage();
  await page.goto(`${app.origin}/settings`);
  await page.waitForFunction("globalThis.ready");
  await prepared(page);
  const seen = async (/** @type {string} */ origin) => {
    const other = await page.context().newPage();
    await other.goto(`${origin}/settings`);
    await other.waitForFunction("globalThis.ready");
    return other.evaluate(async (relay) => (await kf.openVault({ relay })).state, relay.origin);
  };
  assert.equal(await seen(elsewhere), "empty");
  assert.equal(await seen(app.origin), "unlocked");
});

test("a browser that denies a frame of another site its storage has that said at once", async (t) => {
  // Without partitions, and with third-party data blocked, as in a private window.
  const page = await opened(t, `${elsewhere}/settings`);
  const code = await page.evaluate(async (relay) => (await kf.openVault({ relay }).catch((error) => error)).code, relay.origin);
  assert.equal(code, "storage_failed");
});

test("a frame under an invisible or covering layer gives away nothing without the password", async (t) => {
  const page = await opened(t);
  await prepared(page);
  await page.evaluate(async () => {
    const settings = document.createElement("keyferry-settings");
    Object.assign(settings, { vault });
    settings.style.opacity = "0.001";
    document.body.append(settings);
    const lure = document.createElement("div");
    lure.style.cssText = "position:fixed;inset:0;background:white;pointer-events:none";
    lure.textContent = "Click to win";
    document.body.append(lure);
  });
  // Someone is lured into every click and key that the layer's maker could wish for.
  const frame = page.frameLocator("keyferry-settings iframe");
  await frame.getByTestId("key-manage").press("Enter");
  await frame.getByTestId("key-reveal").press("Enter");
  await frame.getByTestId("reveal-submit").press("Enter");
  await frame.locator('[data-testid="error-message"][data-code="empty"]').waitFor();
  assert.equal(await frame.getByTestId("key-revealed").count(), 0);
  await frame.getByTestId("section-backup").press("Enter");
  for (const [open, submit] of [
    ["backup-save", "backup-submit"],
    ["password-change", "password-submit"],
    ["recovery-renew", "renew-submit"],
  ]) {
    await frame.getByTestId(open ?? "").press("Enter");
    await frame.getByTestId(submit ?? "").press("Enter");
  }
  await frame.getByTestId("section-preferences").press("Enter");
  await frame.getByTestId("preferences-save").press("Enter");
  await frame.getByTestId("section-passkeys").press("Enter");
  await frame.getByTestId("passkey-add").press("Enter");
  assert.equal(await frame.getByTestId("recovery-code").count(), 0);
  assert.equal(await frame.getByTestId("passkey-row").count(), 0);
  // The one thing that needs no password can be taken back.
  await frame.getByTestId("key-remove").press("Enter");
  await frame.getByTestId("key-undo").press("Enter");
  assert.equal((await spend(page)).status, 200);
});

test("a forged message gets no answer: from a sibling, from inside, or a second time", async (t) => {
  const page = await opened(t);
  await prepared(page);
  await page.evaluate((posts) => {
    const sibling = document.createElement("iframe");
    sibling.src = posts;
    sibling.id = "sibling";
    document.body.append(sibling);
    return new Promise((resolve) => sibling.addEventListener("load", resolve));
  }, `${evil.origin}/posts`);
  const sibling = page.frames().find((frame) => frame.url().startsWith(evil.origin));
  const forge = async (/** @type {string} */ vault) => {
    const target = [...Array(window.parent.length).keys()].map((i) => window.parent[i]).concat(window.parent);
    const answers = await Promise.all(
      [...target, window[0]].filter(Boolean).map(async (other) => {
        const { port1, port2 } = new MessageChannel();
        const answer = new Promise((resolve) => {
          port1.onmessage = ({ data, ports }) => resolve(data.failure?.code ?? `${data.t} with ${ports.length} ports`);
          setTimeout(() => resolve("silence"), 500);
        });
        try {
          /** @type {Window} */ (other).postMessage({ t: "keyferry", v: 1, name: "default", inline: null }, vault, [port2]);
        } catch {
          return "silence";
        }
        return answer;
      }),
    );
    return [...new Set(answers)].sort();
  };
  assert.deepEqual(await sibling?.evaluate(forge, relay.vault), ["silence"]);
  // The app's own page is whom the frame serves, once.
  const again = await page.evaluate(async (vault) => {
    const { port1, port2 } = new MessageChannel();
    const frame = /** @type {HTMLIFrameElement} */ (document.querySelector("dialog iframe"));
    frame.contentWindow?.postMessage({ t: "keyferry", v: 1, name: "default", inline: null }, vault, [port2]);
    return new Promise((resolve) => (port1.onmessage = ({ data }) => data.t !== "alive" && resolve(data.failure?.code ?? data.t)));
  }, relay.vault);
  assert.equal(again, "forbidden");
});

test("a relay that redirects, or names a vault origin that is none, gets nothing", async (t) => {
  const page = await opened(t);
  const codes = await page.evaluate(async (evil) => {
    const code = (/** @type {string} */ relay, /** @type {string} */ name) =>
      kf.openVault({ relay, name }).then(() => "opened", (error) => error.code);
    return Promise.all([code(`${evil}/moved`, "a"), code(evil, "b"), code(`${evil}/astray`, "c")]);
  }, evil.origin);
  assert.deepEqual(codes, ["network", "worker_failed", "worker_failed"]);
});
