// The package as others get it: what is in it, what importing it does, the entries beside the core.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtemp, readFile, readdir, rm, symlink, writeFile, mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { env } from "node:process";
import { test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { OPENAI_KEY, PASSWORD, useSite } from "./site.mjs";

const root = fileURLToPath(new URL("../../", import.meta.url));
const packaged = resolve(env.KEYFERRY_PACKAGE ?? join(root, "target/npm/keyferry"));
const { site, page: newPage } = useSite();

/** @param {string} file @returns {Promise<any>} */
const load = (file) => import(pathToFileURL(join(packaged, file)).href);

test("every export exists, with types", async () => {
  const manifest = JSON.parse(await readFile(join(packaged, "package.json"), "utf8"));
  for (const [name, target] of Object.entries(manifest.exports)) {
    for (const file of typeof target === "string" ? [target] : Object.values(target)) {
      assert.ok((await readFile(join(packaged, file))).length > 0, `${name}: ${file}`);
    }
  }
});

test("npm packs what belongs and nothing else", async () => {
  const { stdout } = spawnSync("npm", ["pack", "--dry-run", "--json"], { cwd: packaged, encoding: "utf8" });
  const files = JSON.parse(stdout)[0].files.map((/** @type {{ path: string }} */ { path }) => path);
  const expected = /^(package\.json|README\.md|LICENSE(-MIT|-APACHE)?|(index|react|elements|inline|testing|worker|frame|chunk-\w+)\.js|frame\.(html|css)|keyferry\.wasm|types\/[\w/-]+\.d\.ts)$/;
  assert.deepEqual(files.filter((/** @type {string} */ path) => !expected.test(path)), []);
  assert.ok(!(await readdir(packaged)).includes("node_modules"));
});

test("importing runs nothing, on a server either", async () => {
  const before = Object.keys(globalThis);
  const core = await load("index.js");
  await load("inline.js");
  await load("testing.js");
  assert.deepEqual(Object.keys(globalThis), before);
  await assert.rejects(core.openVault({ relay: "https://relay.example" }), { name: "VaultError", code: "worker_failed" });
});

test("the codes are the vault's own and the worker's", async () => {
  const { ERROR_CODES } = await load("index.js");
  const rust = await readFile(join(root, "vault-wasm/src/error.rs"), "utf8");
  const codes = [...rust.matchAll(/^    \w+(?:\(.*?\))? = "(\w+)", /gm)].map(([, code]) => code);
  assert.ok(codes.length > 20, "the list was found");
  const own = ["forbidden", "passkey_failed", "worker_failed", "closed"];
  assert.deepEqual([...ERROR_CODES].sort(), [...codes, ...own].sort());
});

test("the declarations stand on their own", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "keyferry-types-"));
  t.after(() => rm(folder, { recursive: true }));
  await mkdir(join(folder, "node_modules"));
  await symlink(packaged, join(folder, "node_modules/keyferry"));
  await writeFile(
    join(folder, "app.mts"),
    `import { openVault, VaultError, type ErrorCode, type KeyInfo, type Vault } from "keyferry";
import { openVault as openInline } from "keyferry/inline";
import { useVault } from "keyferry/react";
import { createTestVault } from "keyferry/testing";
const vault: Vault = await openVault({ relay: "/" });
const inline: Vault = await openInline({ relay: "/" });
const tested: Vault = await createTestVault();
const { state, error } = useVault({ relay: "/" });
const keys: KeyInfo[] = await vault.keys.list();
vault.addEventListener("keyneeded", ({ detail }) => { const reason: string = detail.reason; });
const f: typeof fetch = vault.fetch;
function message(code: ErrorCode): string { return code === "locked" ? "" : code; }
// @ts-expect-error a closed list
message("no such code");
// @ts-expect-error the relay is required
openVault({});
export { inline, tested, keys, f, state, error, VaultError };
`,
  );
  for (const [module, moduleResolution] of [["nodenext", "nodenext"], ["esnext", "bundler"]]) {
    const options = ["--noEmit", "--strict", "--exactOptionalPropertyTypes", "--module", module, "--moduleResolution", moduleResolution];
    const { status, stdout } = spawnSync(join(root, "node_modules/.bin/tsc"), [...options.map(String), "--target", "es2022", "--lib", "es2022,dom,dom.iterable", "--types", "", "app.mts"], { cwd: folder, encoding: "utf8" });
    assert.equal(status, 0, stdout);
  }
});

test("keyferry/testing behaves as the vault does", async () => {
  const { createTestVault, TEST_PASSWORD, VaultError } = await load("testing.js");
  assert.equal(VaultError, (await load("index.js")).VaultError, "one class, whichever entry");
  /** @type {Request[]} */
  const sent = [];
  const vault = await createTestVault({
    keys: [{ provider: "openai", key: "sk-test" }],
    respond: (/** @type {Request} */ request) => (sent.push(request), new Response("data: hi\n\n")),
  });
  const events = /** @type {string[]} */ ([]);
  for (const type of ["lock", "unlock", "keyneeded"]) vault.addEventListener(type, () => events.push(type));
  const ask = (/** @type {string} */ model) =>
    vault.fetch("https://relay.test/v1/chat/completions", { method: "POST", body: JSON.stringify({ model }), headers: { "content-type": "application/json" } });

  assert.equal(await (await ask("gpt-4o")).text(), "data: hi\n\n");
  assert.equal(sent[0]?.headers.get("x-byok-key"), "sk-test");
  assert.equal((await ask("claude-sonnet-4")).status, 401);
  await vault.lock();
  assert.equal((await ask("gpt-4o")).status, 423);
  await assert.rejects(vault.keys.list(), { code: "locked" });
  await assert.rejects(vault.unlock({ password: "wrong" }), { code: "wrong_password", field: "password" });
  await vault.unlock({ password: TEST_PASSWORD });
  const next = "another good password";
  const { recoveryCode } = await vault.changePassword(TEST_PASSWORD, next);
  await assert.rejects(vault.changePassword(TEST_PASSWORD, next), { code: "wrong_password" });
  await vault.changePassword(recoveryCode, TEST_PASSWORD);
  await assert.rejects(vault.changePassword(next, next), { code: "wrong_password" });
  assert.deepEqual(events, ["keyneeded", "lock", "keyneeded", "unlock"]);
  await assert.rejects(vault.fetch("https://evil.example/"), TypeError);
  const controller = new AbortController();
  const hanging = (await createTestVault({ keys: [{ provider: "openai", key: "k" }], respond: () => new Promise(() => {}) })).fetch("https://api.openai.com/v1/models", { signal: controller.signal });
  controller.abort(new RangeError("mine"));
  await assert.rejects(hanging, RangeError);
  const snapshot = vault.getSnapshot();
  await vault.keys.list();
  assert.equal(vault.getSnapshot(), snapshot);
  assert.equal(sent.length, 1);
});

test("keyferry/inline needs no other file", async (t) => {
  const page = await newPage(t, "/other");
  site.csp = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src blob:; connect-src 'self'";
  await page.reload();
  /** @type {string[]} */
  const fetched = [];
  page.on("request", (request) => fetched.push(new URL(request.url()).pathname));
  const status = await page.evaluate(async ([password, key]) => {
    const { openVault } = await import(String("/keyferry/inline.js"));
    const vault = await openVault({ relay: location.origin });
    await vault.create(password);
    await vault.keys.add({ provider: "openai", key });
    return (await vault.fetch("https://api.openai.com/v1/models")).status;
  }, [PASSWORD, OPENAI_KEY]);
  assert.equal(status, 200);
  assert.deepEqual(fetched.filter((path) => /worker\.js|\.wasm/.test(path)), []);
});

test("keyferry/react follows the vault", async (t) => {
  const page = await newPage(t, "/other");
  // React itself is the app's: here, the one hook that is used of it, driven by hand.
  site.scripts["/react.js"] = `export const useSyncExternalStore = (subscribe, get, server) => ({ subscribe, get, server });`;
  site.scripts["/hook.js"] = (await readFile(join(packaged, "react.js"), "utf8")).replace(/from\s*"react"/, 'from "/react.js"').replaceAll('"./', '"/keyferry/');
  const seen = await page.evaluate(async (password) => {
    const { useVault } = await import(String("/hook.js"));
    const options = { relay: location.origin, worker: "dedicated" };
    const hook = useVault(options);
    /** @type {any[]} */
    const seen = [[hook.get().state, hook.server().state, hook.get() === useVault(options).get()]];
    await new Promise((resolve) => Object.assign(globalThis, { stop: hook.subscribe(() => resolve(null)) }));
    const { vault, state } = hook.get();
    seen.push([state, hook.get() === hook.get()]);
    const changed = new Promise((resolve) => hook.subscribe(() => hook.get().state === "unlocked" && resolve(null)));
    await vault.create(password);
    await changed;
    seen.push([hook.get().state, hook.get().vault === vault]);
    return seen;
  }, PASSWORD);
  assert.deepEqual(seen, [["opening", "opening", true], ["empty", true], ["unlocked", true]]);
});
