// Turns the glue that `wasm-bindgen --target no-modules` writes into a module exporting a factory.
import { createHash } from "node:crypto";

/**
 * wasm-bindgen's glue serves one instance for the life of the page. A vault
 * has one instance per session, so its text goes into a function: each call
 * gives glue with variables of its own. The loading code, which would fetch
 * the WASM by itself, is cut out.
 */
export function glueModule(glue, wasm) {
  const digest = createHash("sha256").update(wasm).digest("base64");
  return `
export const wasmIntegrity = ${JSON.stringify(`sha256-${digest}`)};
export function createGlue() {
${cut(glue)}
  return wasm_bindgen;
}
// Stands in for the exports of an instance that is gone: every member is a function that gives nothing.
const gone = new Proxy(function () {}, { get: () => gone, apply: () => [] });
`;
}

function cut(glue) {
  let text = glue;
  const replace = (from, to, by) => {
    const start = text.indexOf(from);
    const end = to === null ? start + from.length : text.indexOf(to, start);
    if (start < 0 || end < 0) {
      throw new Error(`The glue does not look as wasm-bindgen 0.2.130 writes it (no ${JSON.stringify(from)}): adapt build/glue.mjs.`);
    }
    text = text.slice(0, start) + by + text.slice(end);
  };
  replace("    let script_src;", "\n    class Vault", "");
  replace("    async function __wbg_load", "    function initSync", "");
  replace("    let __wbg_init_promise;", "    return Object.assign(__wbg_init", "");
  replace(
    "    return Object.assign(__wbg_init, { initSync }, exports);",
    null,
    `
    exports.start = (module) => initSync({ module }).memory;
    exports.end = () => {
      wasm = gone;
      wasmInstance = wasmModule = undefined;
    };
    return exports;`,
  );
  return text;
}
