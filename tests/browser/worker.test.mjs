// The worker shell's own promises: starting, versions, capabilities, hostile messages, memory after a lock.

import assert from "node:assert/strict";
import { test } from "node:test";
import { OPENAI_KEY, PASSWORD, failure, open, openWithKey, useSite } from "./site.mjs";

const { site, page: newPage, tab } = useSite();
const CHAT = "/providers/openai/v1/chat/completions";

test("a worker that cannot start is worker_failed, within the time promised", async (t) => {
  const page = await newPage(t);
  const codes = {};
  for (const workerUrl of ["/missing.js", "/broken.js", "https://cdn.example/worker.js"]) {
    for (const worker of ["dedicated", "shared"]) {
      const failed = await failure(page, `await kf.openVault({ relay: location.origin, worker: "${worker}", workerUrl: "${workerUrl}" })`);
      Object.assign(codes, { [`${workerUrl} ${worker}`]: failed?.code });
    }
  }
  assert.deepEqual(new Set(Object.values(codes)), new Set(["worker_failed"]), JSON.stringify(codes));

  const started = Date.now();
  assert.equal((await failure(page, `await kf.openVault({ relay: location.origin, worker: "dedicated", workerUrl: "/silent.js" })`))?.code, "worker_failed");
  const took = Date.now() - started;
  assert.ok(took > 4_500 && took < 7_000, `after ${took} ms`);
  assert.equal(await open(page), "empty", "and the next attempt is a new one");
});

test("a missing or foreign WASM is worker_failed", async (t) => {
  const page = await newPage(t);
  const missing = await failure(page, `await kf.openVault({ relay: location.origin, worker: "dedicated", wasmUrl: "/missing.wasm" })`);
  assert.equal(missing?.code, "worker_failed");
  site.scripts["/tampered.wasm"] = "\0asm\x01\0\0\0";
  const tampered = await failure(page, `await kf.openVault({ relay: location.origin, worker: "dedicated", wasmUrl: "/tampered.wasm" })`);
  assert.equal(tampered?.code, "worker_failed");
});

test("a page cannot give the shared worker a module of its own", async (t) => {
  const page = await newPage(t);
  const greet = (/** @type {number[]} */ more) =>
    page.evaluate(async (more) => {
      const genuine = new Uint8Array(await (await fetch("/keyferry/keyferry.wasm")).arrayBuffer());
      const wasm = new Uint8Array([...genuine, ...more]).buffer;
      await WebAssembly.compile(wasm);
      const { port } = new SharedWorker("/keyferry/worker.js", /** @type {any} */ ({ name: "keyferry:default", extendedLifetime: true }));
      return new Promise((resolve) => {
        port.onmessage = ({ data }) => data.t !== "alive" && resolve(data.failure?.message ?? data.t);
        port.postMessage({ t: "hello", v: 1, name: "default", relay: location.origin + "/", wasm, life: null, capability: "owner", token: false, hidden: false });
      });
    }, more);
  // A custom section without a name: the same module, in other bytes.
  assert.match(String(await greet([0, 1, 0])), /not the one this worker goes with/);
  assert.equal(await greet([]), "welcome", "the genuine one, as bytes");
  assert.equal(await open(page, { worker: "shared" }), "empty");
});

test("a page that has gone before it was let in does not count", async (t) => {
  const page = await newPage(t);
  await openWithKey(page, { worker: "shared" });
  const answer = await page.evaluate(async () => {
    const greet = (/** @type {string} */ relay) => {
      const { port } = new SharedWorker("/keyferry/worker.js", /** @type {any} */ ({ name: "keyferry:default", extendedLifetime: true }));
      port.postMessage({ t: "hello", v: 1, name: "default", relay: location.origin + relay, wasm: "/keyferry/keyferry.wasm", life: null, capability: "owner", token: false, hidden: false });
      return port;
    };
    const locked = new Promise((resolve) => {
      new BroadcastChannel("keyferry:default").onmessage = ({ data }) => data.t === "lock" && resolve(null);
    });
    vault.close();
    // For another relay: the vault is locked first, which takes a moment.
    greet("/second/").postMessage({ t: "bye" });
    await locked;
    await new Promise((resolve) => setTimeout(resolve, 500));
    const port = greet("/third/");
    return new Promise((resolve) => (port.onmessage = ({ data }) => data.t !== "alive" && resolve(data.failure?.code ?? data.t)));
  });
  assert.equal(answer, "welcome");
});

test("the worker script runs as classic and as module script", async (t) => {
  const page = await newPage(t);
  const answers = await page.evaluate(() =>
    Promise.all(
      (/** @type {const} */ (["classic", "module"])).map(
        (type) =>
          new Promise((resolve) => {
            const worker = new Worker("/keyferry/worker.js", { type });
            const { port1, port2 } = new MessageChannel();
            worker.onerror = () => resolve("error");
            port1.onmessage = ({ data }) => resolve(data.t);
            worker.postMessage(null, [port2]);
            port1.postMessage({ t: "hello", v: 1 });
          }),
      ),
    ),
  );
  assert.deepEqual(answers, ["alive", "alive"]);
});


test("an old page is told to reload once a newer one comes", async (t) => {
  const old = await newPage(t);
  await openWithKey(old, { worker: "shared" });
  const hello = (/** @type {number} */ v) =>
    old.evaluate(
      (v) =>
        new Promise((resolve) => {
          const { port } = new SharedWorker("/keyferry/worker.js", /** @type {any} */ ({ name: "keyferry:default", extendedLifetime: true }));
          port.onmessage = ({ data }) => data.t !== "alive" && resolve(data);
          port.postMessage({ t: "hello", v, name: "default", relay: location.origin + "/", wasm: "/keyferry/keyferry.wasm", life: null, capability: "owner", token: false, hidden: false });
        }),
      v,
    );
  assert.deepEqual(/** @type {any} */ (await hello(0)).failure.code, "reload_required");
  assert.equal(await old.evaluate(() => vault.state), "unlocked", "an older page's hello changes nothing");

  assert.equal(/** @type {any} */ (await hello(2)).t, "outdated");
  await old.waitForFunction(() => vault.state === "locked");
  assert.equal((await failure(old, "await vault.keys.list()"))?.code, "reload_required");
  const answer = await old.evaluate(async (path) => {
    const response = await vault.fetch(location.origin + path, { method: "POST", body: "{}" });
    return { status: response.status, code: (await response.json()).code };
  }, CHAT);
  assert.deepEqual(answer, { status: 503, code: "reload_required" });
});

test("a newer client gets a worker of its own after the old one went", async (t) => {
  const old = await newPage(t);
  await openWithKey(old, { worker: "shared" });
  // The old worker is replaced under the same URL and name, as a deployment does.
  const code = await failure(old, `
    const worker = new SharedWorker("/keyferry/worker.js", { name: "keyferry:default", extendedLifetime: true });
    worker.port.postMessage({ t: "hello", v: 99, name: "default", relay: location.origin + "/", wasm: "", life: null, capability: "owner", token: false, hidden: false });
    await new Promise((resolve) => (worker.port.onmessage = ({ data }) => data.t === "outdated" && resolve()));
  `);
  assert.equal(code, null);
  await old.waitForFunction(() => vault.state === "locked");
  const fresh = await tab(old);
  assert.equal(await open(fresh, { worker: "shared" }), "locked");
});

test("workers of two versions find out about each other", async (t) => {
  const page = await newPage(t);
  await openWithKey(page);
  await page.evaluate(() => new BroadcastChannel("keyferry:default").postMessage({ t: "version", v: 2 }));
  await page.waitForFunction(() => vault.state === "locked");
  assert.equal((await failure(page, "await vault.keys.list()"))?.code, "reload_required");
});

test("a use port can spend and watch, and nothing else", async (t) => {
  const page = await newPage(t);
  await openWithKey(page);
  const result = await page.evaluate(async ([path, password]) => {
    const guest = await kf.openVault({ relay: location.origin, name: "guest", port: vault.share() });
    /** @type {Record<string, string>} */
    const codes = {};
    const attempts = {
      create: () => guest.create(String(password)),
      unlock: () => guest.unlock({ password: String(password) }),
      list: () => guest.keys.list(),
      add: () => guest.keys.add({ provider: "openai", key: "sk-x" }),
      remove: () => guest.keys.remove("x"),
    };
    for (const [name, attempt] of Object.entries(attempts)) {
      codes[name] = await attempt().then(() => "allowed", (error) => error.code);
    }
    const status = (await guest.fetch(location.origin + path, { method: "POST", body: "{}" })).status;
    guest.touch();
    const before = guest.state;
    await guest.lock();
    await new Promise((resolve) => setTimeout(resolve, 50));
    return { codes, status, before, after: [guest.state, vault.state] };
  }, [CHAT, PASSWORD]);
  assert.deepEqual(result.codes, { create: "forbidden", unlock: "forbidden", list: "forbidden", add: "forbidden", remove: "forbidden" });
  assert.equal(result.status, 200);
  assert.equal(result.before, "unlocked");
  assert.deepEqual(result.after, ["locked", "locked"]);
});

test("a use port cannot raise itself, name another relay or retire the worker", async (t) => {
  const page = await newPage(t);
  await openWithKey(page);
  const outcome = await page.evaluate(async () => {
    const talk = (/** @type {object[]} */ messages) =>
      new Promise((resolve) => {
        const port = vault.share();
        /** @type {any[]} */
        const heard = [];
        port.onmessage = ({ data }) => void heard.push(data);
        for (const message of messages) port.postMessage(message);
        setTimeout(() => resolve(heard), 300);
      });
    const hello = { t: "hello", v: 1, name: "default", relay: location.origin + "/", wasm: "", life: null, capability: "owner", token: false, hidden: false };
    const list = { t: "call", id: 1, op: "keysList", args: {} };
    return {
      raised: await talk([hello, { ...hello }, list, { t: "share" }]),
      elsewhere: await talk([{ ...hello, relay: "https://evil.example/" }, list]),
      newer: await talk([{ ...hello, v: 99 }]),
      state: vault.state,
      keys: (await vault.keys.list()).length,
    };
  });
  const failed = (/** @type {any} */ heard) => heard.filter((/** @type {any} */ { t }) => t === "failed" || t === "refused").map((/** @type {any} */ { failure }) => failure.code);
  assert.deepEqual(failed(outcome.elsewhere).filter((/** @type {string} */ code) => code !== "forbidden"), []);
  assert.ok(!JSON.stringify([outcome.raised, outcome.elsewhere]).includes("preview"));
  assert.deepEqual(failed(outcome.newer), ["reload_required"]);
  assert.equal(outcome.state, "unlocked");
  assert.equal(outcome.keys, 1);
});

test("hostile messages change nothing", async (t) => {
  const page = await newPage(t);
  await openWithKey(page);
  const survived = await page.evaluate(async () => {
    const worker = new Worker("/keyferry/worker.js");
    /** @type {string[]} */
    const errors = [];
    worker.onerror = (event) => void errors.push(event.message);
    const { port1, port2 } = new MessageChannel();
    /** @type {any[]} */
    const heard = [];
    port1.onmessage = ({ data }) => void heard.push(data);
    worker.postMessage("no port");
    worker.postMessage(null, [port2]);
    const loop = /** @type {any} */ ({ t: "call", id: 7, op: "keysAdd", args: {} });
    loop.args.self = loop;
    /** @type {any[]} */
    const before = [null, 1, "hello", [], {}, { t: "call", id: 1, op: "keysList", args: {} }, { t: "fetch", id: 1 }, { t: "hidden" }, { t: "share" }];
    for (const message of before) port1.postMessage(message);
    port1.postMessage({ t: "hello", v: 1, name: "hostile", relay: location.origin + "/", wasm: "/keyferry/keyferry.wasm", life: null, capability: "owner", token: false, hidden: false });
    await new Promise((resolve) => setTimeout(resolve, 500));
    /** @type {any[]} */
    const after = [
      { t: "hello", v: 1 }, { t: "hello", v: 1e9 }, { t: "nonsense" }, { t: "__proto__" },
      { t: "call", id: "x", op: "keysList", args: {} },
      { t: "call", id: 2, op: "__proto__", args: {} }, { t: "call", id: 3, op: "constructor", args: {} },
      { t: "call", id: 4, op: "snapshot", args: {} }, { t: "call", id: 5, op: "free", args: {} },
      { t: "call", id: 6, op: "keysAdd", args: null }, loop,
      { t: "call", id: 8, op: "create", args: { password: "a string is not bytes" } },
      { t: "call", id: 9, op: "create", args: { password: new Uint8Array(5_000_000) } },
      { t: "call", id: 10, op: "unlock", args: { passkey: 5 } },
      { t: "fetch", id: 11 }, { t: "fetch", id: 12, request: { url: 5 } },
      { t: "fetch", id: 13, request: { url: "https://x/", method: "GET", headers: [["a"]], body: null } },
      { t: "fetch", id: 14, request: { url: "https://x/", method: "GET", headers: {}, body: null } },
      { t: "fetch", id: 15, request: { url: "https://x/", method: "GET", headers: [], body: "text" } },
      { t: "fetch", id: 16, request: { url: "https://evil.example/", method: "GET", headers: [], body: null } },
      { t: "abort", id: 99 }, { t: "abort" }, { t: "done", id: {} }, { t: "pull", id: 99, chunks: -1 }, { t: "token", id: 99 },
      { t: "share", port: 5 },
    ];
    for (const message of after) port1.postMessage(message);
    port1.postMessage({ t: "call", id: 100, op: "touch", args: {} });
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    return { errors, heard: heard.map(({ t, id, failure }) => [t, id, failure?.code].filter((x) => x !== undefined).join(" ")) };
  });
  assert.deepEqual(survived.errors, []);
  assert.deepEqual(survived.heard.slice(0, 2), ["alive", "welcome"], "nothing is served before hello");
  const answers = survived.heard.slice(2).filter((text) => !text.startsWith("snapshot"));
  for (const id of [2, 3, 4, 5, 6, 11, 12, 13, 14, 15]) assert.ok(answers.includes(`failed ${id} bad_argument`), `${id}: ${answers}`);
  assert.ok(answers.includes("failed 16 foreign_url"), String(answers));
  assert.ok(answers.includes("result 100"), "and it still serves");
  for (const id of [7, 8, 9, 10]) assert.ok(answers.some((text) => text.startsWith(`failed ${id} `)), `${id}: ${answers}`);
  assert.equal(await page.evaluate(async () => (await vault.keys.list()).length), 1);
});

/**
 * Of the memories since the worker's start, oldest first, all but the last are of sessions that a lock has ended. The last
 * is the next session's: it has seen no secret.
 * @param {{ found: boolean, dirty: number }[]} memories @param {number} ended
 */
function wiped(memories, ended) {
  const [next, ...old] = memories.toReversed();
  assert.deepEqual(old, Array(ended).fill({ found: false, dirty: 0 }));
  assert.equal(next?.found, false);
}

test("after a lock the memory is zero, and a new one is ready for the next unlock", async (t) => {
  const page = await newPage(t);
  await openWithKey(page, { workerUrl: "/probe.js" });
  const [worker] = page.workers();
  assert.ok(worker);
  const holds = (/** @type {string} */ text) => worker.evaluate((text) => /** @type {any} */ (globalThis).holds(text), text);
  const canary = OPENAI_KEY.slice(8, 40);
  const opened = await holds(canary);
  assert.equal(opened.length, 1);
  assert.ok(opened[0].dirty > 1_000, "the scan sees the memory in use");
  await page.evaluate(() => vault.lock());
  wiped(await holds(canary), 1);
  wiped(await holds(PASSWORD), 1);

  site.api = () => undefined;
  await page.evaluate(async ([password, path]) => {
    await vault.unlock({ password: String(password) });
    void vault.fetch(location.origin + path, { method: "POST", body: "{}" });
    await new Promise((resolve) => setTimeout(resolve, 200));
    await vault.lock();
  }, [PASSWORD, CHAT]);
  wiped(await holds(canary), 2);
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.deepEqual(await worker.evaluate("faults"), [], "what the old instance had begun ends quietly");
  assert.equal(await page.evaluate(async (password) => {
    await vault.unlock({ password });
    return (await vault.keys.list()).length;
  }, PASSWORD), 1);
});

test("a lock wins over an unlock under way", async (t) => {
  const page = await newPage(t);
  await openWithKey(page, { workerUrl: "/probe.js" });
  const outcome = await page.evaluate(async (password) => {
    await vault.lock();
    const unlocking = vault.unlock({ password }).then(() => "unlocked", (error) => error.code);
    await new Promise((resolve) => setTimeout(resolve, 5));
    await vault.lock();
    return { unlocking: await unlocking, state: vault.state };
  }, PASSWORD);
  assert.deepEqual(outcome, { unlocking: "locked", state: "locked" });
  const [worker] = page.workers();
  wiped(await worker?.evaluate((text) => /** @type {any} */ (globalThis).holds(text), PASSWORD), 2);
});

test("an idle vault locks by its clock, also when the machine slept", async (t) => {
  const page = await newPage(t);
  await openWithKey(page, { workerUrl: "/probe.js", autoLockMinutes: 1 });
  const [worker] = page.workers();
  await page.evaluate(() => {
    Object.assign(globalThis, { reasons: [] });
    vault.addEventListener("lock", ({ detail }) => void /** @type {any} */ (globalThis).reasons.push(detail.reason));
  });
  await worker?.evaluate(() => void Object.assign(globalThis, { skew: 61_000 }));
  const status = await page.evaluate(async (path) => (await vault.fetch(location.origin + path, { method: "POST", body: "{}" })).status, CHAT);
  assert.equal(status, 423);
  await page.waitForFunction(() => vault.state === "locked");
  await page.waitForFunction("reasons.length > 0");
  assert.deepEqual(await page.evaluate("reasons"), ["idle"]);
  const memories = () => worker?.evaluate((text) => /** @type {any} */ (globalThis).holds(text), OPENAI_KEY);
  assert.deepEqual((await memories()).map((/** @type {{ found: boolean }} */ { found }) => found), [false, false], "the key is gone at once");
  // What the lock wrote last gets two seconds to reach the disk; then all of the memory goes.
  for (const until = Date.now() + 4_000; (await memories())[0].dirty > 0; await new Promise((resolve) => setTimeout(resolve, 20))) {
    assert.ok(Date.now() < until, "the memory is never zeroed");
  }
});

test("before an idle vault locks, it warns, and a touch puts it off", async (t) => {
  const page = await newPage(t);
  await openWithKey(page, { workerUrl: "/hasty.js", autoLockMinutes: 2 });
  const [worker] = page.workers();
  const warned = page.evaluate(() => new Promise((resolve) => vault.addEventListener("lockwarning", ({ detail }) => resolve(detail.lockAt - Number(vault.getSnapshot().lockAt)), { once: true })));
  await worker?.evaluate(() => void Object.assign(globalThis, { skew: 61_000 }));
  assert.equal(await warned, 0);
  const before = await page.evaluate(() => vault.getSnapshot().lockAt);
  await page.evaluate(() => vault.touch());
  await page.waitForFunction((before) => Number(vault.getSnapshot().lockAt) > Number(before) + 30_000, before);
  await worker?.evaluate(() => void Object.assign(globalThis, { skew: 61_000 + 121_000 }));
  await page.waitForFunction(() => vault.state === "locked");
});

test("a worker that dies is worker_failed, and the next open starts another", async (t) => {
  const page = await newPage(t);
  await openWithKey(page, { workerUrl: "/probe.js" });
  site.api = () => undefined;
  const [worker] = page.workers();
  const answer = page.evaluate(async (path) => (await vault.fetch(location.origin + path, { method: "POST", body: "{}" })).status, CHAT);
  await worker?.evaluate(() => self.close());
  assert.equal(await answer, 503);
  assert.equal((await failure(page, "await vault.keys.list()"))?.code, "worker_failed");
  assert.equal(await open(page), "locked");
});
