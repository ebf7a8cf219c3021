// Bundles the entries around one chunk that holds the whole client.
import { createHash } from "node:crypto";
import { basename, dirname, resolve } from "node:path";
import { build } from "esbuild";

/**
 * esbuild's own splitting gives every combination of entries a chunk, so that
 * each lazy import and each further entry cuts the client into more pieces, and
 * small files compress badly. Here all that `index` imports, and what that
 * imports, is one chunk, `VaultError` in it is one class whichever entry it
 * came through, and everything else is split as usual.
 *
 * @param {object} given
 * @param {string} given.index the main entry's file
 * @param {Record<string, string>} given.entries by name: the others' files
 * @param {import("esbuild").BuildOptions} given.options
 * @returns {Promise<Map<string, string>>} file name to text
 */
export async function bundle({ index, entries, options }) {
  const common = {
    ...options,
    bundle: true,
    format: "esm",
    minify: true,
    write: false,
    outdir: ".",
    // Module scripts are UTF-8 whatever a server says of them; escapes would make Arabic three times as long.
    charset: "utf8",
    // Lit's licence asks for its notice.
    legalComments: "eof",
  };
  const { core, lazy } = await closure(index, common);
  const shell = await bundleShell(index, { index, ...entries, ...lazy }, core, common);
  const { text, exports } = await bundleCore(core, namesUsed(shell), lazy, common);

  // Everything but the entries is named by the whole build: a browser's cache never mixes two of them.
  const digest = createHash("sha256").update(text).update([...shell.values()].join());
  const isEntry = (file) => file === "index.js" || Object.keys(entries).some((name) => file === `${name}.js`);
  const renamed = [CORE, ...[...shell.keys()].filter((file) => !isEntry(file))].map((file) => {
    const name = digest.copy().update(file).digest("hex").slice(0, 8).toUpperCase();
    return [file, `chunk-${name}.js`];
  });
  const rename = (code) => renamed.reduce((done, [file, name]) => done.replaceAll(`"./${file}"`, `"./${name}"`), code);
  const names = new Map(renamed);
  const files = [...shell].map(([file, code]) => [names.get(file) ?? file, rename(importFromCore(code, exports))]);
  return new Map([[names.get(CORE), rename(text)], ...files]);
}

const CORE = "core.js";

/** A module of the core, as the others' imports name it until the core is bundled. */
const IMPORT = /(import|export)\{([^}]*)\}from"core:(\d+)";/g;

/** Every module `index` imports at once, and by name those it imports later. */
async function closure(index, options) {
  const later = new Set();
  const { metafile } = await build({
    ...options,
    entryPoints: [index],
    metafile: true,
    plugins: [redirect(({ path, kind }) => kind === "dynamic-import" && later.add(path) && { path, external: true })],
  });
  const core = Object.keys(metafile.inputs)
    .map((path) => resolve(path))
    .filter((path) => path !== index);
  return { core, lazy: Object.fromEntries([...later].sort().map((path, i) => [`lazy-${i}`, path])) };
}

/** All but the core, which is left as imports from `core:` and a number. */
async function bundleShell(index, entryPoints, core, options) {
  const outside = redirect(({ path, kind }) => {
    if (kind !== "import-statement") return undefined;
    if (path === index) return { path: "./index.js", external: true, sideEffects: false };
    return core.includes(path) ? { path: `core:${core.indexOf(path)}`, external: true, sideEffects: false } : undefined;
  });
  const { outputFiles } = await build({
    ...options,
    entryPoints,
    splitting: true,
    chunkNames: "shared-[hash]",
    plugins: [outside, ...(options.plugins ?? [])],
  });
  return new Map(outputFiles.map(({ path, text }) => [basename(path), text]));
}

/** What the shell imports from the core: `module name`. */
function namesUsed(shell) {
  const used = new Set();
  for (const code of shell.values()) {
    for (const [, , names, module] of code.matchAll(IMPORT)) {
      for (const name of names.split(",")) used.add(`${module} ${name.split(" as ")[0]}`);
    }
  }
  return [...used];
}

/** The core, exporting what is used of it under short names. */
async function bundleCore(core, used, lazy, options) {
  const exports = new Map(used.map((name, i) => [name, `a${i.toString(36)}`]));
  const lines = used.map((name) => {
    const [module, exported] = name.split(" ");
    return `export { ${exported} as ${exports.get(name)} } from ${JSON.stringify(core[Number(module)])};`;
  });
  const later = redirect(({ path, kind }) => {
    const found = Object.entries(lazy).find(([, file]) => file === path);
    return kind === "dynamic-import" && found ? { path: `./${found[0]}.js`, external: true } : undefined;
  });
  const { outputFiles } = await build({
    ...options,
    stdin: { contents: lines.join("\n"), resolveDir: dirname(core[0]), sourcefile: CORE },
    plugins: [later],
  });
  return { text: outputFiles[0].text, exports };
}

/** `code` with its imports from single modules of the core turned into one from the core. */
function importFromCore(code, exports) {
  const imported = [];
  const rest = code.replaceAll(IMPORT, (_, keyword, names, module) => {
    const taken = names.split(",").map((name) => {
      const [exported, local = exported] = name.split(" as ");
      return `${exports.get(`${module} ${exported}`)} as ${local}`;
    });
    if (keyword === "export") return `export{${taken.join(",")}}from"./${CORE}";`;
    imported.push(...taken);
    return "";
  });
  if (rest.includes('"core:')) throw new Error("an import from the core has a form that is not known here");
  return imported.length > 0 ? `import{${imported.join(",")}}from"./${CORE}";${rest}` : rest;
}

/** An esbuild plugin: `decide` sees each import of a file of ours, resolved. */
function redirect(decide) {
  return {
    name: "redirect",
    setup(setup) {
      setup.onResolve({ filter: /^(\.|\/)/ }, async ({ path, kind, resolveDir, importer, pluginData }) => {
        if (pluginData === redirect || kind === "entry-point") return undefined;
        const resolved = await setup.resolve(path, { kind, resolveDir, importer, pluginData: redirect });
        return resolved.errors.length > 0 ? undefined : decide({ path: resolved.path, kind }) || undefined;
      });
    },
  };
}
