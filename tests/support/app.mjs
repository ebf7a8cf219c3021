// An app of another origin than the relay: it serves the package itself, and whatever pages a test gives it.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { env } from "node:process";
import { fileURLToPath } from "node:url";
import { close, listen } from "./listen.mjs";

const packaged = env.KEYFERRY_PACKAGE ?? fileURLToPath(new URL("../../target/npm/keyferry/", import.meta.url));

/** @type {Record<string, string>} */
const TYPES = { js: "text/javascript", html: "text/html", wasm: "application/wasm" };

/** A page that does nothing until a test tells it to. */
export const BLANK = `<!doctype html><html lang="en"><meta charset="utf-8"><title>app</title><body><script type="module">
import * as kf from "/keyferry/index.js";
globalThis.kf = kf;
globalThis.ready = true;
</script></body></html>`;

/**
 * @typedef {object} App
 * @property {string} origin
 * @property {string[]} seen every path that was asked for
 * @property {() => Promise<void>} stop
 */

/**
 * @param {Record<string, string | import("node:http").RequestListener>} [pages] by path: a document or script, or who answers
 * @returns {Promise<App>}
 */
export async function startApp(pages = {}) {
  /** @type {string[]} */
  const seen = [];
  const server = createServer(async (request, response) => {
    const path = (request.url ?? "/").split("?")[0] ?? "/";
    seen.push(path);
    if (path === "/favicon.ico") return response.writeHead(204).end();
    const page = pages[path] ?? (path === "/" ? BLANK : undefined);
    if (typeof page === "function") return page(request, response);
    const type = TYPES[path.split(".").at(-1) ?? ""] ?? "text/html";
    if (page !== undefined) return response.writeHead(200, { "content-type": type }).end(page);
    const name = path.startsWith("/keyferry/") ? path.slice("/keyferry/".length) : "";
    const body = name && !name.includes("..") ? await readFile(`${packaged}/${name}`).catch(() => null) : null;
    if (body) response.writeHead(200, { "content-type": type }).end(body);
    else response.writeHead(404).end();
  });
  const port = await listen(server);
  return { origin: `http://localhost:${port}`, seen, stop: () => close(server) };
}
