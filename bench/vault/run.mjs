// `cargo xtask bench vault`: the packaged vault in Chromium, beside what it is held against, in one
// interleaved run. Figures are medians over rounds unless they are percentiles.

import { spawn } from "node:child_process";
import { cp, mkdir, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { launch } from "../../tests/support/chromium.mjs";
import { workerMemory } from "./memory.mjs";
import { sizes } from "./sizes.mjs";
import { goals, table } from "./report.mjs";
import { median, percentile } from "./stats.mjs";

const here = fileURLToPath(new URL("./", import.meta.url));
const root = fileURLToPath(new URL("../../", import.meta.url));

const { values: options } = parseArgs({
  options: {
    relay: { type: "string" },
    upstream: { type: "string" },
    folder: { type: "string" },
    quick: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    rounds: { type: "string" },
  },
});
if (!options.relay || !options.upstream || !options.folder) throw new Error("--relay, --upstream and --folder are needed");

const extent = options.quick
  ? { rounds: 1, starts: 2, requests: 20, events: 2_000, keys: [10] }
  : { rounds: Number(options.rounds ?? 5), starts: 10, requests: 300, events: 40_000, keys: [10, 100, 1000] };

/** Everything started here, to be stopped at the end. @type {(() => Promise<void>)[]} */
const running = [];

/** @param {string} program @param {string[]} args @param {string} ready start of the line that says so */
async function start(program, args, ready = "") {
  const child = spawn(program, args, { cwd: root, stdio: ["ignore", "pipe", "ignore"] });
  running.push(async () => void child.kill());
  if (!ready) return "";
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.startsWith(ready)) return line.slice(ready.length).trim();
  }
  throw new Error(`${program} ended before it was ready`);
}

/** @returns {Promise<number>} a loopback port that was free a moment ago */
function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address ? address.port : 0));
    });
  });
}

/** The benchmark's page with the package beside it, as the site has it. @param {string} folder */
async function layOut(folder) {
  const site = join(folder, "site");
  await rm(site, { recursive: true, force: true });
  await mkdir(site, { recursive: true });
  for (const file of ["index.html", "page.js", "no-subtle.js", "observed.js"]) await cp(join(here, file), join(site, file));
  await cp(join(root, "target/npm/keyferry"), join(site, "keyferry"), { recursive: true });
  return site;
}

/** @param {string} folder @param {string} upstream */
async function startRelay(folder, upstream) {
  const [port, admin] = [await freePort(), await freePort()];
  const origin = `http://localhost:${port}`;
  const file = join(folder, "vault-relay.toml");
  await writeFile(
    file,
    `[server]\nlisten = "127.0.0.1:${port}"\nadmin_listen = "127.0.0.1:${admin}"\npublic_origins = ["${origin}"]\n` +
      `static_dir = "${await layOut(folder)}"\n\n[providers.openai]\nbase_url = "${upstream}"\n\n` +
      `[limits]\nbyok_requests_per_hour = 1000000000\n`,
  );
  await start(options.relay ?? "", ["serve", "--config", file]);
  for (const deadline = Date.now() + 10_000; ; await sleep(30)) {
    if (await fetch(`${origin}/healthz`).then((r) => r.ok, () => false)) return origin;
    if (Date.now() > deadline) throw new Error("the relay did not start");
  }
}

/** A page of a fresh profile. @param {import("playwright-core").Browser} browser @param {string} origin */
async function freshPage(browser, origin) {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(origin);
  await page.waitForFunction("globalThis.bench");
  return page;
}

/** Calls one of the page's functions. @param {import("playwright-core").Page} page @param {string} name @param {...unknown} args @returns {Promise<any>} */
const call = (page, name, ...args) =>
  page.evaluate(([name, args]) => /** @type {any} */ (globalThis).bench[name](...args), /** @type {const} */ ([name, args]));

/** @param {number} times @param {() => Promise<number>} work */
async function repeat(times, work) {
  const values = [];
  for (let index = 0; index < times; index += 1) values.push(await work());
  return values;
}

async function measure() {
  const folder = /** @type {string} */ (options.folder);
  const upstream = await start(options.upstream ?? "", ["upstream"], "ready ");
  const origin = await startRelay(folder, upstream);
  const browser = await launch();
  running.push(() => browser.close());
  /** @type {Record<string, number>} */
  const figures = {};

  console.error("▸ starting");
  const starts = [];
  for (let index = 0; index < extent.starts; index += 1) {
    const page = await freshPage(browser, origin);
    starts.push(await call(page, "open", "start"));
    await page.context().close();
  }
  figures["import → ready, ms"] = median(starts);

  const page = await freshPage(browser, origin);
  await call(page, "open", "usual", { workerUrl: "/observed.js" });
  await call(page, "open", "no-subtle", { workerUrl: "/no-subtle.js" });
  figures["create, ms"] = await call(page, "create", "usual");
  await call(page, "create", "no-subtle");

  console.error("▸ unlocking");
  /** @type {Record<string, number[]>} */
  const unlocks = { raw: [], vault: [], wasm: [] };
  for (let round = 0; round < 2 * extent.rounds; round += 1) {
    unlocks.raw?.push(await call(page, "deriveRaw"));
    unlocks.vault?.push(await call(page, "unlock", "usual"));
    unlocks.wasm?.push(await call(page, "unlock", "no-subtle"));
  }
  figures["raw WebCrypto PBKDF2, 600,000 iterations, ms"] = median(unlocks.raw ?? []);
  figures["unlock, ms"] = median(unlocks.vault ?? []);
  figures["unlock without WebCrypto (PBKDF2 in WASM), ms"] = median(unlocks.wasm ?? []);
  figures["unlock over raw WebCrypto"] = median(unlocks.vault ?? []) / median(unlocks.raw ?? []);

  for (const count of extent.keys) {
    console.error(`▸ ${count} keys`);
    figures[`add, on the way to ${count} keys, ms each`] = await call(page, "addKeys", "usual", count);
    await call(page, "list", "usual");
    figures[`list ${count} keys, ms`] = median(await repeat(2 * extent.rounds, () => call(page, "list", "usual")));
    const uses = await repeat(10 * extent.rounds, () => call(page, "exchange", "usual"));
    figures[`use one of ${count} keys, p50 ms`] = percentile(uses, 50);
    figures[`unlock with ${count} keys, ms`] = median(await repeat(extent.rounds, () => call(page, "unlock", "usual")));
  }
  Object.assign(figures, await workerMemory(page, `worker with ${extent.keys.at(-1)} keys`));

  console.error("▸ vault.fetch beside fetch");
  const few = await freshPage(browser, origin);
  await call(few, "open", "few", { workerUrl: "/observed.js" });
  await call(few, "create", "few");
  await call(few, "addKeys", "few", 3);
  Object.assign(figures, await workerMemory(few, "worker with 3 keys"));
  /** @type {{ plain: number[], vault: number[] }} */
  const latencies = { plain: [], vault: [] };
  for (let index = 0; index < extent.requests; index += 1) {
    latencies.plain.push(await call(few, "exchange", null));
    latencies.vault.push(await call(few, "exchange", "few"));
  }
  // The first ones meet cold code on both sides.
  const warm = Math.floor(extent.requests / 10);
  const [plain, vault] = [latencies.plain.slice(warm), latencies.vault.slice(warm)];
  for (const share of [50, 99]) {
    figures[`fetch p${share}, ms`] = percentile(plain, share);
    figures[`vault.fetch p${share}, ms`] = percentile(vault, share);
    figures[`vault.fetch adds, p${share} ms`] = percentile(vault, share) - percentile(plain, share);
  }

  console.error("▸ streaming");
  /** @type {{ plain: number[], vault: number[] }} */
  const rates = { plain: [], vault: [] };
  for (let round = 0; round < extent.rounds; round += 1) {
    rates.plain.push((await call(few, "stream", null, extent.events)).megabytesPerSecond);
    rates.vault.push((await call(few, "stream", "few", extent.events)).megabytesPerSecond);
  }
  figures["fetch streaming, MB/s"] = median(rates.plain);
  figures["vault.fetch streaming, MB/s"] = median(rates.vault);
  figures["vault.fetch streaming over fetch"] = median(rates.vault) / median(rates.plain);

  const files = await sizes(join(root, "target/npm/keyferry"));
  return { figures, files, browser: browser.version() };
}

let result;
try {
  result = await measure();
} finally {
  for (const stop of running.reverse()) await stop();
}
const { figures, files, browser } = result;
const verdicts = goals(figures);
const text = table(figures, files, verdicts, `Chromium ${browser}, ${availableParallelism()} cores, ${extent.rounds} round(s)`);
const data = JSON.stringify({ browser, rounds: extent.rounds, quick: options.quick, figures, sizes: files, goals: verdicts }, null, 2);
await writeFile(join(options.folder, "vault.json"), data);
if (options.json) {
  process.stderr.write(text);
  process.stdout.write(`${data}\n`);
} else {
  process.stdout.write(text);
}
