// A Redis server of the test's own, which writes down every command that changes something.

import { execFile } from "node:child_process";
import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { start } from "./program.mjs";
import { freePort } from "./relay.mjs";

/** Starts one on a free loopback port. */
export async function startRedis() {
  const port = await freePort();
  const folder = await mkdtemp(join(tmpdir(), "keyferry-redis-"));
  const settings = { port, bind: "127.0.0.1", dir: folder, save: "", appendonly: "yes", appendfsync: "always" };
  const server = start("redis-server", Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]));
  await server.says("Ready to accept connections");
  /** @param {string[]} words */
  const command = async (...words) => (await promisify(execFile)("redis-cli", ["-p", String(port), ...words])).stdout.trim();
  return {
    url: `redis://127.0.0.1:${port}`,
    command,
    /** Everything that was ever written to it, and all that is there now, as Latin-1. */
    async everything() {
      await command("SAVE");
      const files = await readdir(folder, { recursive: true, withFileTypes: true });
      const texts = files.filter((file) => file.isFile()).map((file) => readFile(join(file.parentPath ?? file.path, file.name), "latin1"));
      return (await Promise.all(texts)).join("\n");
    },
    async stop() {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
