// Lays the npm package out in target/npm/keyferry. By hand, after wasm-bindgen has run:
//   node vault-wasm/js/build.mjs [--glue target/wasm-bindgen] [--out target/npm/keyferry]
import { spawnSync } from "node:child_process";
import { copyFile, mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { prepare } from "./build/glue.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, "../..");
const { values: args } = parseArgs({
  options: { glue: { type: "string" }, out: { type: "string" } },
});
const glueDir = resolve(args.glue ?? join(root, "target/wasm-bindgen"));
const out = resolve(args.out ?? join(root, "target/npm/keyferry"));

/** Bytes after gzip -9. What a page loads before it can do anything. */
const BUDGETS = { "client + worker": 15 * 1024, "loaded when needed": 5 * 1024, wasm: 60 * 1024 };

/** ES2022 is what the oldest browsers with everything else the vault needs can run. */
const TARGET = "es2022";

const wasmOpt = join(root, "node_modules/.bin/wasm-opt");
const { glue, wasm } = prepare(join(glueDir, "vault.js"), join(glueDir, "vault_bg.wasm"), wasmOpt);
const entries = entryNames();

await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });
typeCheck();
await checkOperations();
await bundleEntries(await bundleWorker());
await copyAssets();
await reportSizes();

/** The operations declared to apps are those the WASM exports: TypeScript cannot see that for itself. */
async function checkOperations() {
  const { outputFiles } = await build({ entryPoints: [join(here, "src/ops.ts")], format: "esm", bundle: true, write: false });
  const { OPS } = await import(`data:text/javascript,${encodeURIComponent(outputFiles[0].text)}`);
  const declared = await readFile(join(glueDir, "vault.d.ts"), "utf8");
  const missing = Object.keys(OPS).filter((op) => !new RegExp(`^ +${op}\\(`, "m").test(declared));
  if (missing.length > 0) fail(`the WASM does not export ${missing.join(", ")}`);
}

/** One file that is valid as classic and as module script, so that no bundler has to touch it. */
async function bundleWorker() {
  const { outputFiles } = await build({
    entryPoints: [join(here, "src/worker/main.ts")],
    plugins: [virtual("./glue.js", glue)],
    bundle: true,
    format: "iife",
    target: TARGET,
    minify: true,
    write: false,
    legalComments: "none",
  });
  const [{ text }] = outputFiles;
  for (const forbidden of [/\bimport\s*[("'{*]/, /\bimport\.meta\b/, /\bexport\s*[{*]/]) {
    if (forbidden.test(text)) fail(`worker.js contains ${forbidden}: it would not run as a classic script`);
  }
  await writeFile(join(out, "worker.js"), text);
  return text;
}

/** The entries share chunks, so that `VaultError` is one class whichever of them it came through. */
async function bundleEntries(workerSource) {
  const inlined = { workerSource, wasmBase64: wasm.toString("base64") };
  const exported = Object.entries(inlined).map(([name, text]) => `export const ${name} = ${JSON.stringify(text)};`);
  await build({
    entryPoints: {
      ...Object.fromEntries(entries.map((name) => [name, join(here, `src/${name}.ts`)])),
      // Not for apps: the relay serves it, on the vault's own origin.
      frame: join(here, "src/frame/document/main.ts"),
    },
    plugins: [virtual("./inline-assets.js", exported.join("\n"))],
    outdir: out,
    bundle: true,
    splitting: true,
    chunkNames: "chunk-[hash]",
    format: "esm",
    target: TARGET,
    minify: true,
    loader: { ".css": "text" },
    external: ["react"],
    legalComments: "none",
  });
}

/** Every `.` and `./name` of the manifest whose file is built from a module of that name. */
function entryNames() {
  const manifest = createRequire(import.meta.url)("./package.json");
  return Object.values(manifest.exports)
    .map((target) => target.default ?? target)
    .filter((file) => file.endsWith(".js") && file !== "./worker.js")
    .map((file) => file.slice("./".length, -".js".length));
}

/** Checks both worlds against their own globals, and writes the declarations of the client. */
function typeCheck() {
  tsc("tsconfig.worker.json");
  tsc("tsconfig.json", "--noEmit", "false", "--declaration", "--emitDeclarationOnly", "--outDir", join(out, "types"));
}

function tsc(project, ...more) {
  const bin = join(root, "node_modules/.bin/tsc");
  const { status, error } = spawnSync(bin, ["-p", join(here, project), ...more], { stdio: "inherit" });
  if (error) fail(`${bin} could not be run (npm ci at the root?): ${error.message}`);
  if (status !== 0) fail(`type errors in ${project}`);
}

async function copyAssets() {
  await writeFile(join(out, "keyferry.wasm"), wasm);
  await writeFile(join(out, "types/worker.d.ts"), "/** A worker script: start it, do not import it. */\nexport {};\n");
  for (const file of ["frame.html", "frame.css"]) {
    await copyFile(join(here, "src/frame/document", file), join(out, file));
  }
  await copyFile(join(here, "package.json"), join(out, "package.json"));
  await copyFile(join(here, "README.md"), join(out, "README.md"));
  for (const licence of (await readdir(root)).filter((name) => name.startsWith("LICENSE"))) {
    await copyFile(join(root, licence), join(out, licence));
  }
}

async function reportSizes() {
  const gzip = async (...names) => {
    const files = await Promise.all(names.map((name) => readFile(join(out, name))));
    return files.reduce((sum, file) => sum + gzipSync(file, { level: 9 }).length, 0);
  };
  const core = await withChunks("index.js", { lazy: false });
  const all = await withChunks("index.js", { lazy: true });
  const sizes = {
    "client + worker": await gzip("worker.js", ...core),
    "loaded when needed": await gzip(...[...all].filter((file) => !core.has(file))),
    wasm: await gzip("keyferry.wasm"),
  };
  for (const [what, size] of Object.entries(sizes)) {
    console.log(`${what}: ${(size / 1024).toFixed(1)} KB gzip of ${BUDGETS[what] / 1024}`);
  }
  const over = Object.keys(sizes).filter((what) => sizes[what] > BUDGETS[what]);
  if (over.length > 0) console.warn(`build.mjs: over budget: ${over.join(", ")}`);
}

/** An entry and every chunk it loads, at once or (`lazy`) ever. */
async function withChunks(entry, { lazy }, seen = new Set()) {
  if (seen.has(entry)) return seen;
  seen.add(entry);
  const text = await readFile(join(out, entry), "utf8");
  for (const [, call, chunk] of text.matchAll(/(import\()?["']\.\/(chunk-\w+\.js)["']/g)) {
    if (lazy || !call) await withChunks(chunk, { lazy }, seen);
  }
  return seen;
}

function virtual(name, contents) {
  return {
    name,
    setup(setup) {
      setup.onResolve({ filter: new RegExp(`^${name.replaceAll(".", "\\.")}$`) }, () => ({ path: name, namespace: "virtual" }));
      setup.onLoad({ filter: /.*/, namespace: "virtual" }, () => ({ contents, loader: "js" }));
    },
  };
}

function fail(why) {
  console.error(`build.mjs: ${why}`);
  process.exit(1);
}
