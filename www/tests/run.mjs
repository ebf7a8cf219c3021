// Bundles the page's unit tests and runs them under Node's own test runner.
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const out = here("../../target/www-tests");
const tests = readdirSync(here(".")).filter((name) => name.endsWith(".test.ts"));

await build({
  entryPoints: tests.map((name) => here(name)),
  outdir: out,
  outExtension: { ".js": ".mjs" },
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node20",
  sourcemap: "inline",
  logLevel: "warning",
});

const files = tests.map((name) => `${out}/${name.replace(/\.ts$/, ".mjs")}`);
const { status } = spawnSync(process.execPath, ["--enable-source-maps", "--test", "--test-reporter=spec", ...files], {
  stdio: "inherit",
  // The relay's list of error codes is compared with the page's sentences.
  env: { ...process.env, KEYFERRY_ROOT: here("../..") },
});
process.exitCode = status ?? 1;
