// How an example's page is reached: its own server, or the files of its build.

import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { close } from "../../support/listen.mjs";
import { ENVIRONMENT, EXAMPLES } from "./build.mjs";

/** @typedef {{ origin: string, stop: () => Promise<void> }} Served */

/** @type {Record<string, string>} */
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".wasm": "application/wasm" };

/** Serves a folder as any static host does. @param {string} folder @param {number} port @returns {Promise<Served>} */
export async function serveFolder(folder, port) {
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    const path = pathname === "/" ? "/index.html" : pathname;
    const body = await readFile(join(folder, path)).catch(() => null);
    if (body) response.writeHead(200, { "content-type": TYPES[extname(path)] ?? "application/octet-stream" }).end(body);
    else response.writeHead(404).end();
  });
  await new Promise((resolve) => server.listen(port, "localhost", () => resolve(null)));
  return { origin: `http://localhost:${port}`, stop: () => close(server) };
}

/**
 * Starts an example's own server, without npm between: a signal must reach it.
 * @param {string} example @param {string} script file that Node runs @param {string[]} words @param {number} port
 * @returns {Promise<Served>}
 */
export async function serveProcess(example, script, words, port) {
  const child = spawn(process.execPath, [script, ...words], {
    cwd: join(EXAMPLES, example),
    env: { ...ENVIRONMENT, PORT: String(port) },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  child.stdout.on("data", (chunk) => (output += chunk));
  child.stderr.on("data", (chunk) => (output += chunk));
  const exited = new Promise((resolve) => child.once("exit", resolve));
  const stop = async () => {
    child.kill();
    await exited;
  };
  const origin = `http://localhost:${port}`;
  for (const deadline = Date.now() + 60_000; ; ) {
    if (await fetch(origin).then(({ ok }) => ok, () => false)) return { origin, stop };
    if (child.exitCode !== null || Date.now() > deadline) {
      await stop();
      throw new Error(`${example} is not served:\n${output}`);
    }
    await sleep(100);
  }
}
