// Takes the indentation out of the elements' sources: within their templates it would be shipped.
import { readFile } from "node:fs/promises";

/**
 * White space at the beginning of a line means nothing in HTML, in CSS and in code. No element has
 * text in which it would be seen. An esbuild plugin.
 */
export function unindent() {
  return {
    name: "unindent",
    setup(setup) {
      setup.onLoad({ filter: /[\\/]src[\\/]elements[\\/].*\.ts$/ }, async ({ path }) => ({
        contents: (await readFile(path, "utf8")).replace(/^[ \t]+/gm, ""),
        loader: "ts",
      }));
    },
  };
}
