// Turns what `wasm-bindgen --target no-modules` writes into a module exporting a factory, and the WASM into the one that goes with it.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** What wasm-bindgen's output uses; without being told, wasm-opt takes it for invalid. */
const FEATURES = ["reference-types", "bulk-memory", "multivalue", "mutable-globals", "nontrapping-float-to-int", "sign-ext"];

/**
 * wasm-bindgen's glue serves one instance for the life of the page. A vault
 * has one instance per session, so its text goes into a function: each call
 * gives glue with variables of its own. The loading code, which would fetch
 * the WASM by itself, is cut out, and the names between the two, hashes
 * mostly, become short.
 *
 * @param {string} glueFile
 * @param {string} wasmFile
 * @param {string} wasmOpt the binary
 */
export function prepare(glueFile, wasmFile, wasmOpt) {
  const { wasm, names } = shorten(wasmFile, wasmOpt);
  const text = rename(cut(readFileSync(glueFile, "utf8")), names);
  const digest = createHash("sha256").update(wasm).digest("base64");
  const glue = `
export const wasmIntegrity = ${JSON.stringify(`sha256-${digest}`)};
export function createGlue() {
${text}
  return wasm_bindgen;
}
// Stands in for the exports of an instance that is gone: every member is a function that gives nothing.
const gone = new Proxy(function () {}, { get: () => gone, apply: () => [] });
`;
  return { glue, wasm };
}

/** Replaces from `from` up to `to`, or `from` alone. Fails when the glue is not as expected. */
function replaced(text, from, to, by) {
  const start = text.indexOf(from);
  const end = to === null ? start + from.length : text.indexOf(to, start);
  if (start < 0 || end < 0) {
    throw new Error(`The glue does not look as wasm-bindgen 0.2.130 writes it (no ${JSON.stringify(from)}): adapt build/glue.mjs.`);
  }
  return text.slice(0, start) + by + text.slice(end);
}

function cut(glue) {
  let text = glue;
  text = replaced(text, "    let script_src;", "\n    class Vault", "");
  text = replaced(text, "    async function __wbg_load", "    function initSync", "");
  text = replaced(text, "    let __wbg_init_promise;", "    return Object.assign(__wbg_init", "");
  return replaced(
    text,
    "    return Object.assign(__wbg_init, { initSync }, exports);",
    null,
    `
    exports.start = (module) => {
      initSync({ module });
      return wasm.memory;
    };
    exports.end = () => {
      wasm = gone;
      wasmInstance = wasmModule = undefined;
    };
    return exports;`,
  );
}

/** Gives imports and exports of the WASM short names; wasm-opt prints which. */
function shorten(wasmFile, wasmOpt) {
  const folder = mkdtempSync(join(tmpdir(), "keyferry-"));
  try {
    const out = join(folder, "short.wasm");
    const features = FEATURES.map((name) => `--enable-${name}`);
    const passes = ["--minify-imports-and-exports-and-modules"];
    const { status, stdout, stderr, error } = spawnSync(wasmOpt, [wasmFile, ...features, ...passes, "-o", out], {
      encoding: "utf8",
      maxBuffer: 1 << 24,
    });
    if (status !== 0) throw new Error(`${wasmOpt} failed: ${error ?? stderr}`);
    return { wasm: readFileSync(out), names: JSON.parse(stdout) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function rename(glue, { imports, exports }) {
  let text = glue;
  for (const [, name, short] of imports) text = replaced(text, `            ${name}: function`, null, `"${short}": function`);
  // The pass gives every import the same module.
  text = replaced(text, '"./vault_bg.js": import0', null, '"a": import0');
  const short = new Map(exports);
  return text.replace(/\bwasm\.(\w+)/g, (whole, name) => (short.has(name) ? `wasm[${JSON.stringify(short.get(name))}]` : whole));
}
