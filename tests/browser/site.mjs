/// <reference path="./globals.d.ts" />
// A page with the packaged client, and the API the vault talks to, on one loopback origin.
// The API is a scripted relay: what it is asked is recorded, what it answers is the test's choice.

import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { env } from "node:process";
import { fileURLToPath } from "node:url";
import { after, before } from "node:test";
import { launch } from "../support/chromium.mjs";
import { KEEPING } from "../support/keeping.mjs";
import { close, listen } from "../support/listen.mjs";

/** @typedef {import("playwright-core").Page} Page */
/** @typedef {import("node:http").IncomingMessage} IncomingMessage */
/** @typedef {import("node:http").ServerResponse} ServerResponse */
/**
 * @typedef {object} Call
 * @property {string} method
 * @property {string} path
 * @property {import("node:http").IncomingHttpHeaders} headers
 * @property {Buffer} body
 * @property {Promise<number>} closed resolves with the time its connection ended
 */
/** @typedef {(call: Call, response: ServerResponse) => void | Promise<void>} Api */

const packaged = env.KEYFERRY_PACKAGE ?? fileURLToPath(new URL("../../target/npm/keyferry/", import.meta.url));
export const PASSWORD = "correct horse battery staple";
export const OPENAI_KEY = "sk-proj-canary0123456789abcdefghijklmnopqrstuvwxyzABCD";

/** As strict as a page that uses the vault can be. */
const CSP = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'";

const HARNESS = `
import * as kf from "/keyferry/index.js";
globalThis.kf = kf;
globalThis.ready = true;
`;

/** Runs before the real worker script: exposes what a test must see and cannot reach otherwise. */
const PROBE = `
globalThis.memories = [];
globalThis.faults = [];
self.addEventListener("error", ({ message }) => void faults.push(message));
self.addEventListener("unhandledrejection", ({ reason }) => void faults.push(String(reason)));
const Instance = WebAssembly.Instance;
WebAssembly.Instance = function (module, imports) {
  const instance = new Instance(module, imports);
  memories.push(Object.values(instance.exports).find((member) => member instanceof WebAssembly.Memory));
  return instance;
};
WebAssembly.Instance.prototype = Instance.prototype;
const now = Date.now.bind(Date);
globalThis.skew = 0;
Date.now = () => now() + skew;
globalThis.holds = (text) => {
  const needle = new TextEncoder().encode(text);
  return memories.map(({ buffer }) => {
    const bytes = new Uint8Array(buffer);
    let dirty = 0;
    for (const byte of bytes) if (byte !== 0) dirty++;
    let found = false;
    for (let at = bytes.indexOf(needle[0]); at >= 0 && !found; at = bytes.indexOf(needle[0], at + 1)) {
      found = needle.every((byte, i) => bytes[at + i] === byte);
    }
    return { found, dirty };
  });
};
importScripts("/keyferry/worker.js");
`;

/** Runs before the probe: notes of whatever is written whether the vault's write lock is held. */
const TURNS = `{
  let held = false;
  globalThis.writes = [];
  const { request } = LockManager.prototype;
  LockManager.prototype.request = function (name, call) {
    if (!name.endsWith(":write")) return request.call(this, name, call);
    return request.call(this, name, async () => {
      held = true;
      await call();
      held = false;
    });
  };
  const { transaction } = IDBDatabase.prototype;
  IDBDatabase.prototype.transaction = function (stores, mode, options) {
    if (mode === "readwrite") writes.push(held);
    return transaction.call(this, stores, mode, options);
  };
}
`;

/** @type {Record<string, [type: string, body: string]>} */
const PAGES = {
  "/": ["text/html", `<!doctype html><meta charset="utf-8"><title>page</title><script type="module" src="/harness.js"></script>`],
  "/other": ["text/html", "<!doctype html><title>other</title>"],
  "/harness.js": ["text/javascript", HARNESS],
  "/probe.js": ["text/javascript", PROBE],
  "/keeping.js": ["text/javascript", KEEPING + PROBE],
  "/turns.js": ["text/javascript", TURNS + PROBE],
  // Half a minute passes in no time.
  "/hasty.js": ["text/javascript", `const wait = setTimeout; self.setTimeout = (run, ms) => wait(run, ms / 100); ${PROBE}`],
  "/silent.js": ["text/javascript", "self.onmessage = () => {};"],
  "/broken.js": ["text/javascript", "throw new Error('broken on purpose');"],
};

/** @type {Record<string, string>} */
const TYPES = { js: "text/javascript", wasm: "application/wasm", json: "application/json" };

export class Site {
  /** @type {Call[]} */
  calls = [];
  /** @type {Api} */
  api = answerJson;
  /** Sent with every page. */
  csp = CSP;
  /** Other scripts to serve. @type {Record<string, string>} */
  scripts = {};
  origin = "";
  #server = createServer((request, response) => void this.#serve(request, response));

  async start() {
    this.origin = `http://localhost:${await listen(this.#server)}`;
  }

  stop() {
    return close(this.#server);
  }

  reset() {
    this.calls = [];
    this.api = answerJson;
    this.csp = CSP;
    this.scripts = {};
  }

  /** Calls to providers, without what the vault asks the relay about itself. */
  get relayed() {
    return this.calls.filter(({ path }) => !path.startsWith("/.well-known/"));
  }

  /** @param {IncomingMessage} request @param {ServerResponse} response */
  async #serve(request, response) {
    const path = request.url ?? "/";
    if (path.startsWith("/keyferry/")) return this.#file(path.slice("/keyferry/".length), response);
    const script = this.scripts[path];
    const page = script === undefined ? PAGES[path] : ["text/javascript", script];
    if (page) {
      return response.writeHead(200, { "content-type": page[0], "content-security-policy": this.csp }).end(page[1]);
    }
    const chunks = [];
    /** @type {Promise<number>} */
    const closed = new Promise((resolve) => void response.once("close", () => resolve(Date.now())));
    for await (const chunk of request) chunks.push(chunk);
    const call = { method: request.method ?? "", path, headers: request.headers, body: Buffer.concat(chunks), closed };
    this.calls.push(call);
    if (path.startsWith("/.well-known/")) return response.writeHead(404).end();
    await this.api(call, response);
  }

  /** @param {string} name @param {ServerResponse} response */
  async #file(name, response) {
    const [file = ""] = name.split("?");
    try {
      const body = await readFile(`${packaged}/${file}`);
      const type = TYPES[file.split(".").at(-1) ?? ""] ?? "application/octet-stream";
      response.writeHead(200, { "content-type": type, "content-security-policy": this.csp }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  }
}

/** @type {Api} */
export function answerJson(call, response) {
  response.writeHead(200, { "content-type": "application/json", "x-byok-paid-by": "user" });
  response.end(JSON.stringify({ path: call.path, method: call.method }));
}

/**
 * Sends `count` events, one each `interval` ms, until the client goes.
 * @param {number} count @param {number} interval @returns {Api}
 */
export function streamEvents(count, interval) {
  return (_call, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    let sent = 0;
    const timer = setInterval(() => {
      response.write(`data: ${sent}\n\n`);
      if (++sent >= count) {
        clearInterval(timer);
        response.end();
      }
    }, interval);
    response.once("close", () => clearInterval(timer));
  };
}

/** One site and one browser for a test file. */
export function useSite() {
  const site = new Site();
  /** @type {import("playwright-core").Browser} */
  let browser;
  before(async () => {
    await site.start();
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    await site.stop();
  });
  return {
    site,
    /** A page in a profile of its own; closed when the test ends. @param {import("node:test").TestContext} t */
    async page(t, path = "/") {
      site.reset();
      const context = await browser.newContext();
      t.after(() => context.close());
      return newTab(site, context, path);
    },
    /** Another page of the same profile. @param {Page} page */
    tab(page, path = "/") {
      return newTab(site, page.context(), path);
    },
  };
}

/** @param {Site} site @param {import("playwright-core").BrowserContext} context @param {string} path */
async function newTab(site, context, path) {
  const page = await context.newPage();
  page.on("pageerror", (error) => console.error("page error:", error));
  await page.goto(site.origin + path);
  if (path === "/") await page.waitForFunction("globalThis.ready");
  return page;
}

/**
 * Opens the vault in the page as `globalThis.vault`.
 * @param {Page} page @param {object} [options] of `openVault`
 */
export function open(page, options = {}) {
  return page.evaluate(async (options) => {
    globalThis.vault = await kf.openVault({ relay: location.origin, worker: "dedicated", ...options });
    return vault.state;
  }, options);
}

/** Opens the vault, creates it and puts an OpenAI key in. @param {Page} page @param {object} [options] */
export async function openWithKey(page, options) {
  await open(page, options);
  await page.evaluate(
    async ([password, key]) => {
      await vault.create(password);
      await vault.keys.add({ provider: "openai", key });
    },
    [PASSWORD, OPENAI_KEY],
  );
}

/**
 * Begins to read a streamed answer, with the vault in the page. Gives what waits for its end: an error's name, or "a clean end".
 * @param {Page} page @param {string} path
 */
export async function reading(page, path) {
  await page.evaluate(async (path) => {
    const response = await vault.fetch(location.origin + path, { method: "POST", body: "{}" });
    const reader = response.body?.getReader();
    await reader?.read();
    Object.assign(globalThis, {
      end: (async () => {
        for (;;) if ((await reader?.read())?.done) return "a clean end";
      })().catch((error) => error.name),
    });
  }, path);
  return () => page.evaluate("end");
}

/** Runs `code` in the page and gives what it throws as plain data. @param {Page} page @param {string} code */
export function failure(page, code) {
  return page.evaluate(async (code) => {
    try {
      await new (Object.getPrototypeOf(async () => {}).constructor)(code)();
      return null;
    } catch (error) {
      const { name, code, field, message } = /** @type {any} */ (error);
      return { name, code, field, message };
    }
  }, code);
}
