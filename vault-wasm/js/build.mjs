// Lays the npm package out in target/npm/keyferry. By hand, after wasm-bindgen has run:
//   node vault-wasm/js/build.mjs [--glue target/wasm-bindgen] [--out target/npm/keyferry]
import { spawnSync } from "node:child_process";
import { copyFile, mkdir, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { build } from "esbuild";
import { bundle } from "./build/bundle.mjs";
import { prepare } from "./build/glue.mjs";
import { serverSafeLit } from "./build/server-safe.mjs";
import { unindent } from "./build/unindent.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, "../..");
const { values: args } = parseArgs({
  options: { glue: { type: "string" }, out: { type: "string" } },
});
const glueDir = resolve(args.glue ?? join(root, "target/wasm-bindgen"));
const finished = resolve(args.out ?? join(root, "target/npm/keyferry"));
/** A build that fails leaves the last package as it was. */
const out = `${finished}.unfinished`;

/** Declarations of the files that are no modules of ours. */
const FILE_TYPES = {
  "worker.d.ts": "/** A worker script: start it, do not import it. */\nexport {};\n",
  "wasm.d.ts": "/** A file to serve. What importing it gives, if anything, is the bundler's choice. */\ndeclare const file: unknown;\nexport default file;\n",
};

/** ES2022 is what the oldest browsers with everything else the vault needs can run. */
const TARGET = "es2022";

const wasmOpt = join(root, "node_modules/.bin/wasm-opt");
const { glue, wasm } = prepare(join(glueDir, "vault.js"), join(glueDir, "vault_bg.wasm"), wasmOpt);
const entries = entryNames();

await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });
typeCheck();
await bundleEntries(await bundleWorker());
await copyAssets();
await dropUnreachable();
await rm(finished, { recursive: true, force: true });
await rename(out, finished);

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

/** The entries, and the frame's script, which is not for apps: the relay serves it, on the vault's own origin. */
async function bundleEntries(workerSource) {
  const inlined = { workerSource, wasmBase64: wasm.toString("base64") };
  const exported = Object.entries(inlined).map(([name, text]) => `export const ${name} = ${JSON.stringify(text)};`);
  const source = (name) => join(here, `src/${name}.ts`);
  const others = entries.filter((name) => name !== "index").map((name) => [name, source(name)]);
  const files = await bundle({
    index: source("index"),
    entries: { ...Object.fromEntries(others), frame: source("frame/document/main") },
    options: {
      plugins: [virtual("./inline-assets.js", exported.join("\n")), serverSafeLit(), unindent()],
      target: TARGET,
      loader: { ".css": "text" },
      external: ["react"],
    },
  });
  for (const [file, text] of files) await writeFile(join(out, file), text);
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
  for (const [name, text] of Object.entries(FILE_TYPES)) await writeFile(join(out, "types", name), text);
  for (const file of ["frame.html", "frame.css"]) {
    await copyFile(join(here, "src/frame/document", file), join(out, file));
  }
  await copyFile(join(here, "package.json"), join(out, "package.json"));
  await copyFile(join(here, "README.md"), join(out, "README.md"));
  for (const licence of (await readdir(root)).filter((name) => name.startsWith("LICENSE"))) {
    await copyFile(join(root, licence), join(out, licence));
  }
}

/** Declarations that no entry refers to are of the inside only. */
async function dropUnreachable() {
  const types = join(out, "types");
  const kept = new Set(Object.keys(FILE_TYPES).map((name) => join(types, name)));
  const keep = async (file) => {
    if (kept.has(file)) return;
    kept.add(file);
    const text = await readFile(file, "utf8");
    for (const [, name] of text.matchAll(/["'](\.{1,2}\/[^"']+)\.js["']/g)) await keep(join(dirname(file), `${name}.d.ts`));
  };
  for (const name of entries) await keep(join(types, `${name}.d.ts`));
  for (const entry of await readdir(types, { recursive: true, withFileTypes: true })) {
    const file = join(entry.parentPath, entry.name);
    if (entry.isFile() && !kept.has(file)) await rm(file);
  }
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
