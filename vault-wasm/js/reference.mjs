// The API reference, docs/api.md, from the declarations of the packaged client.
// After `cargo xtask package`, and `npm ci` in tests/sdk, whose TypeScript has an API:
//   node vault-wasm/js/reference.mjs            writes it
//   node vault-wasm/js/reference.mjs --check    fails when it is not what would be written

import { readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import process from "node:process";
import { fileURLToPath } from "node:url";

const root = new URL("../../", import.meta.url);
const types = fileURLToPath(new URL("target/npm/keyferry/types/", root));
const page = fileURLToPath(new URL("docs/api.md", root));
const ts = createRequire(new URL("tests/sdk/package.json", root))("typescript");

/** What an app imports, in the order it is likely to. */
const ENTRIES = [
  ["keyferry", "index"],
  ["keyferry/react", "react"],
  ["keyferry/elements", "elements"],
  ["keyferry/inline", "inline"],
  ["keyferry/testing", "testing"],
];

/** What objects of a class are called in examples. */
const INSTANCES = { Vault: "vault", Keys: "vault.keys", Passkeys: "vault.passkeys", VaultError: "error" };

const INTRODUCTION = `# API

Everything an app can import. Failures are a \`VaultError\` with a \`code\`; "Codes" names those to expect beyond the
general ones (\`closed\`, \`worker_failed\`, \`storage_failed\`). How each SDK is used: [sdks.md](sdks.md).

<!-- Written by \`node vault-wasm/js/reference.mjs\` from the package's declarations: change those. -->
`;

/** The page as it should be. */
async function reference() {
  const files = ENTRIES.map(([, file]) => `${types}${file}.d.ts`);
  const program = ts.createProgram(files, {
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    lib: ["lib.es2023.d.ts", "lib.dom.d.ts"],
    types: [],
  });
  const built = new Page(program.getTypeChecker());
  const parts = [INTRODUCTION];
  for (const [name = "", file = ""] of ENTRIES) {
    const source = program.getSourceFile(`${types}${file}.d.ts`);
    if (!source) throw new Error(`the package has no declarations of ${name}`);
    parts.push(`## \`${name}\`\n`, await purpose(file), built.entry(source));
  }
  return `${parts.filter((part) => part !== "").join("\n").trimEnd()}\n`;
}

/** What a module's own comment says of it, which declarations leave out. */
async function purpose(file) {
  const text = await readFile(new URL(`vault-wasm/js/src/${file}.ts`, root), "utf8");
  const [, comment = ""] = /^\/\*\*([^]*?)\*\//.exec(text) ?? [];
  return paragraphs(comment.replace(/^\s*\* ?/gm, "").replace("@packageDocumentation", ""));
}

/** The lines of a comment as paragraphs, each followed by an empty line. */
function paragraphs(text) {
  return text
    .trim()
    .split(/\n\s*\n/)
    .map((paragraph) => `${paragraph.replace(/\{@link (\w+) ?\}/g, "`$1`").replace(/\s*\n\s*/g, " ")}\n`)
    .join("\n");
}

/** A declaration without what only declarations say, as far left as it goes. */
function tidy(text) {
  const bare = text
    .replace(/^export |;$/g, "")
    .replace(/^declare /, "")
    .replace(/\s*\/\*\*[^]*?\*\//g, "")
    .replace(/\n\s*\| /g, " | ");
  const [first, ...rest] = bare.split("\n");
  const margin = Math.min(...rest.map((line) => line.search(/\S/)));
  return [first, ...rest.map((line) => line.slice(margin).replace(/^( {4})+/, (indent) => " ".repeat(indent.length / 2)))].join("\n");
}

const cell = (text) => text.trim().replaceAll("|", "\\|").replace(/\s*\n\s*/g, " ");
const code = (text) => `\`\`\`ts\n${text}\n\`\`\`\n`;

/** What has been shown so far, by the checker's symbols. */
class Page {
  #checker;
  #shown = new Set();

  constructor(checker) {
    this.#checker = checker;
  }

  /** Everything a module exports, then what those things are made of. */
  entry(source) {
    const module = this.#checker.getSymbolAtLocation(source);
    const exported = module ? this.#checker.getExportsOfModule(module).map((symbol) => this.#resolved(symbol)) : [];
    const waiting = exported.filter((symbol) => !this.#shown.has(symbol)).sort((a, b) => rank(a) - rank(b));
    const again = waiting.length < exported.length;
    for (const symbol of waiting) this.#shown.add(symbol);
    const parts = [];
    // It grows while it is gone through.
    for (const symbol of waiting) {
      parts.push(this.#symbol(symbol));
      for (const declaration of symbol.declarations ?? []) {
        for (const mentioned of this.#mentioned(declaration)) {
          if (this.#shown.has(mentioned)) continue;
          this.#shown.add(mentioned);
          waiting.push(mentioned);
        }
      }
    }
    if (again) parts.push("It also exports what of the above it deals in.\n");
    return parts.join("\n");
  }

  #resolved(symbol) {
    return symbol.flags & ts.SymbolFlags.Alias ? this.#checker.getAliasedSymbol(symbol) : symbol;
  }

  /** Types of the package that a declaration speaks of. */
  #mentioned(declaration) {
    const found = new Set();
    const look = (node) => {
      if (isHidden(node)) return;
      const name = ts.isTypeReferenceNode(node) ? node.typeName : ts.isExpressionWithTypeArguments(node) ? node.expression : undefined;
      const symbol = name && this.#checker.getSymbolAtLocation(name);
      const type = symbol && this.#resolved(symbol);
      const file = type?.declarations?.[0]?.getSourceFile().fileName ?? "";
      if (type && !(type.flags & ts.SymbolFlags.TypeParameter) && file.startsWith(types)) found.add(type);
      ts.forEachChild(node, look);
    };
    look(declaration);
    return found;
  }

  #symbol(symbol) {
    const [declaration] = symbol.declarations ?? [];
    const parts = [`### ${symbol.name}\n`, comment(declaration)];
    if (ts.isClassDeclaration(declaration)) {
      const heritage = (declaration.heritageClauses ?? []).map((clause) => ` ${clause.getText()}`).join("");
      parts.push(code(`class ${symbol.name}${heritage}`), this.#members(symbol));
    } else if (ts.isInterfaceDeclaration(declaration)) parts.push(this.#fields(declaration));
    else parts.push(code(this.#text(declaration)));
    return parts.filter((part) => part !== "").join("\n");
  }

  #text(declaration) {
    if (ts.isVariableDeclaration(declaration)) return wrapped(`const ${tidy(declaration.getText())}`);
    const text = tidy(declaration.getText());
    // What is made from a constant that is not exported says nothing by itself.
    const [, constant] = /typeof (\w+)/.exec(text) ?? [];
    if (!constant || [...this.#shown].some(({ name }) => name === constant)) return text;
    const type = this.#checker.getTypeAtLocation(declaration);
    const values = this.#checker.typeToString(type, undefined, ts.TypeFormatFlags.NoTruncation | ts.TypeFormatFlags.InTypeAlias);
    return `type ${declaration.name.getText()} = ${values}`;
  }

  /** The members of a class, those of interfaces that add to it among them. */
  #members(owner) {
    const called = INSTANCES[owner.name] ?? owner.name;
    const members = new Map();
    for (const member of (owner.declarations ?? []).flatMap((declaration) => [...declaration.members])) {
      if (isHidden(member) || !member.name) continue;
      const known = members.get(member.name.getText()) ?? { texts: [], about: "" };
      known.texts.push(tidy(member.getText()));
      known.about ||= comment(member) || (ts.isClassDeclaration(member.parent) ? "" : comment(member.parent));
      members.set(member.name.getText(), known);
    }
    return [...members].map(([name, { texts, about }]) => [`#### ${called}.${name}\n`, code(texts.join("\n")), about].filter((part) => part !== "").join("\n")).join("\n");
  }

  #fields(declaration) {
    const base = (declaration.heritageClauses ?? []).map((clause) => `With everything of \`${clause.types.map((type) => type.getText()).join("`, `")}\`.\n`).join("");
    if (!declaration.members.every((member) => ts.isPropertySignature(member) || ts.isMethodSignature(member))) return code(tidy(declaration.getText()));
    const rows = declaration.members.map((member) => {
      const isField = ts.isPropertySignature(member);
      const type = isField ? (member.type?.getText() ?? "") : member.getText();
      return `| \`${member.name.getText()}${isField && member.questionToken ? "?" : ""}\` | \`${cell(tidy(type))}\` | ${cell(comment(member))} |\n`;
    });
    return [base, `| | type | |\n| --- | --- | --- |\n${rows.join("")}`].filter((part) => part !== "").join("\n");
  }
}

/** What a declaration's own comment says. */
function comment(declaration) {
  const [doc] = ts.getJSDocCommentsAndTags(declaration).filter(ts.isJSDoc).slice(-1);
  const text = ts.getTextOfJSDocComment(doc?.comment) ?? "";
  return text === "" ? "" : paragraphs(text);
}

/** Not for apps: private members, and what a class itself can do. */
function isHidden(node) {
  return (ts.isClassElement(node) && (ts.getCombinedModifierFlags(node) & ts.ModifierFlags.Static) !== 0) || (node.name !== undefined && ts.isPrivateIdentifier(node.name));
}

/** What an app calls first, the types of what it gets later. */
function rank({ declarations: [declaration] = [] }) {
  const order = [ts.isFunctionDeclaration, ts.isClassDeclaration, ts.isInterfaceDeclaration, ts.isTypeAliasDeclaration];
  return order.findIndex((is) => is(declaration)) >>> 0;
}

/** A long line broken at its commas. */
function wrapped(text) {
  return text.length <= 100 ? text : text.replace(/(.{60,90}?,) /g, "$1\n  ");
}

const written = await reference();
if (!process.argv.includes("--check")) await writeFile(page, written);
else await check();

async function check() {
  const there = (await readFile(page, "utf8")).split("\n");
  const other = written.split("\n").findIndex((line, i) => line !== there[i]);
  if (other < 0 && there.length === written.split("\n").length) return;
  console.error(`docs/api.md is not what the declarations say from line ${other + 1} on: run node vault-wasm/js/reference.mjs`);
  process.exitCode = 1;
}
