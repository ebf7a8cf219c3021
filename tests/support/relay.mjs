// The built relay as a child process, with the configuration a test wants.

import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { env } from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { listen } from "./listen.mjs";

const root = fileURLToPath(new URL("../../", import.meta.url));
/** The relay's program. */
export const binary = env.KEYFERRY_RELAY ?? join(root, "target/debug/keyferry-relay");

/** Providers a stand-in imitates. */
export const IMITATED = ["openai", "anthropic", "google", "openrouter"];

/** A loopback port that was free a moment ago. @returns {Promise<number>} */
export async function freePort() {
  const server = createServer();
  const port = await listen(server);
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/**
 * @typedef {object} Relay
 * @property {string} origin `http://localhost:<port>`
 * @property {string} vault origin of the vault's frame
 * @property {number} pid
 * @property {string} config its configuration file, while it runs
 * @property {() => string} logs everything it has written so far
 * @property {(signal?: NodeJS.Signals) => Promise<number | null>} stop waits for its exit code
 */

/**
 * Starts a relay that serves the built site and sends every provider's traffic to `provider`.
 *
 * @param {object} options
 * @param {string} options.provider origin of the stand-in
 * @param {string} [options.site] folder of the site, where it is not the built one
 * @param {string} [options.server] more lines of `[server]`
 * @param {string} [options.config] more TOML tables
 * @param {string[]} [options.embedders] who may embed the vault's frame; the page alone when absent
 * @param {string} [options.log] RUST_LOG
 * @param {number} [options.port] absent: a free one
 * @param {{ relay: string, vault: string }} [options.known] origins under which browsers reach it, where those are not its sockets'
 * @returns {Promise<Relay>}
 */
export async function startRelay({ provider, site = "www/dist", server = "", config = "", embedders = [], log = "info", port: chosen, known }) {
  const [port, vaultPort] = [chosen ?? (await freePort()), await freePort()];
  const origin = `http://localhost:${port}`;
  const vault = `http://localhost:${vaultPort}`;
  const folder = await mkdtemp(join(tmpdir(), "keyferry-"));
  const file = join(folder, "relay.toml");
  const providers = IMITATED.map((id) => `[providers.${id}]\nbase_url = "${provider}"\n`).join("");
  await writeFile(
    file,
    `[server]\nlisten = "127.0.0.1:${port}"\npublic_origins = [${quoted(known ? [known.relay, origin] : [origin])}]\n` +
      `static_dir = "${site}"\n${server}\n` +
      `[vault]\nlisten = "127.0.0.1:${vaultPort}"\n${known ? `origin = "${known.vault}"\n` : ""}` +
      `embedders = [${quoted(embedders.length > 0 ? embedders : [origin])}]\n` +
      `${providers}\n${config}\n`,
  );

  const child = spawn(binary, ["serve", "--config", file], {
    cwd: root,
    env: { ...env, RUST_LOG: log, RUST_BACKTRACE: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  child.stdout.on("data", (chunk) => (output += chunk));
  child.stderr.on("data", (chunk) => (output += chunk));
  /** @type {Promise<number | null>} */
  const exited = new Promise((resolve) => child.once("exit", resolve));

  const stop = async (/** @type {NodeJS.Signals} */ signal = "SIGTERM") => {
    child.kill(signal);
    const code = await exited;
    await rm(folder, { recursive: true, force: true });
    return code;
  };
  for (const deadline = Date.now() + 20_000; ; ) {
    const live = await fetch(`${origin}/healthz`).then((r) => r.ok, () => false);
    if (live) return { origin, vault, pid: child.pid ?? 0, config: file, logs: () => output, stop };
    if (child.exitCode !== null || Date.now() > deadline) {
      await stop("SIGKILL");
      throw new Error(`the relay did not start:\n${output}`);
    }
    await sleep(50);
  }
}

/** The elements of a TOML array. @param {string[]} values */
function quoted(values) {
  return values.map((value) => `"${value}"`).join(", ");
}
