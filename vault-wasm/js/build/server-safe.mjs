// Lets the elements be imported where there is no page, as servers do that render one.
import { readFile } from "node:fs/promises";

/**
 * What Lit's browser build asks its globals for while it loads. Its own build
 * for servers would do, but brings a DOM along and leaves it in `globalThis`.
 */
const STAND_INS = {
  "reactive-element.js": "const HTMLElement = globalThis.HTMLElement ?? class {};",
  "lit-html.js": "const document = globalThis.document ?? { createTreeWalker() {} };",
};

/** An esbuild plugin. Fails the build when Lit's files are not where they were. */
export function serverSafeLit() {
  const missing = new Set(Object.keys(STAND_INS));
  return {
    name: "server-safe-lit",
    setup(setup) {
      setup.onLoad({ filter: /[\\/](@lit[\\/]reactive-element|lit-html)[\\/](reactive-element|lit-html)\.js$/ }, async ({ path }) => {
        const file = path.split(/[\\/]/).at(-1);
        missing.delete(file);
        return { contents: `${STAND_INS[file]}\n${await readFile(path, "utf8")}`, loader: "js" };
      });
      setup.onEnd(() => ({
        errors: [...missing].map((file) => ({ text: `Lit has no ${file} any more: elements.js would fail on servers` })),
      }));
    },
  };
}
