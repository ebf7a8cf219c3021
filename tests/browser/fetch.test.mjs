// `vault.fetch` against what `fetch` does: bodies in, bodies out, aborts, errors.

import assert from "node:assert/strict";
import { test } from "node:test";
import { OPENAI_KEY, PASSWORD, failure, open, openWithKey, streamEvents, useSite } from "./site.mjs";

const { site, page: newPage } = useSite();
const CHAT = "/providers/openai/v1/chat/completions";

test("the key travels in its header and nothing the page set does", async (t) => {
  const page = await newPage(t);
  await openWithKey(page);
  const result = await page.evaluate(async (path) => {
    const response = await vault.fetch(location.origin + path, {
      method: "POST",
      headers: { authorization: "Bearer from-the-page", "content-type": "application/json", "x-app": "yes" },
      body: JSON.stringify({ model: "gpt-4o-mini" }),
    });
    return { url: response.url, ok: response.ok, real: response instanceof Response, paidBy: response.headers.get("x-byok-paid-by"), json: await response.json() };
  }, CHAT);
  assert.deepEqual(result, { url: site.origin + CHAT, ok: true, real: true, paidBy: "user", json: { path: CHAT, method: "POST" } });
  const [call] = site.relayed;
  assert.equal(call?.headers["x-byok-key"], OPENAI_KEY);
  assert.equal(call?.headers["x-byok-provider"], "openai");
  assert.equal(call?.headers.authorization, undefined);
  assert.equal(call?.headers["x-app"], "yes");
  assert.equal(call?.headers.cookie, undefined);
  assert.equal(call?.body.toString(), '{"model":"gpt-4o-mini"}');
});

test("a provider's own URL goes to the relay", async (t) => {
  const page = await newPage(t);
  await openWithKey(page);
  await page.evaluate(async () => void (await vault.fetch("https://api.openai.com/v1/models?limit=2")));
  assert.equal(site.relayed[0]?.path, "/providers/openai/v1/models?limit=2");
});

test("fetch works detached", async (t) => {
  const page = await newPage(t);
  await openWithKey(page);
  const status = await page.evaluate(async (path) => {
    const { fetch } = vault;
    return (await fetch(new Request(location.origin + path, { method: "POST", body: "{}" }))).status;
  }, CHAT);
  assert.equal(status, 200);
});

test("an answer streams while it is made", async (t) => {
  const page = await newPage(t);
  await openWithKey(page);
  site.api = streamEvents(5, 100);
  const times = await page.evaluate(async (path) => {
    const response = await vault.fetch(location.origin + path, { method: "POST", body: "{}" });
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    const events = [];
    for (let read = await reader?.read(); read && !read.done; read = await reader?.read()) {
      events.push({ text: read.value, at: performance.now() });
    }
    return events;
  }, CHAT);
  assert.equal(times.map(({ text }) => text).join(""), "data: 0\n\ndata: 1\n\ndata: 2\n\ndata: 3\n\ndata: 4\n\n");
  assert.ok(Number(times.at(-1)?.at) - Number(times[0]?.at) > 250, "the first event came before the last was made");
});

for (const [kind, code, expected] of /** @type {const} */ ([
  ["text", "'hello'", { type: "text/plain;charset=UTF-8", body: "hello" }],
  ["bytes", "new Uint8Array([1, 2, 3])", { type: undefined, body: "\x01\x02\x03" }],
  ["a blob", "new Blob(['blob'], { type: 'audio/wav' })", { type: "audio/wav", body: "blob" }],
  ["parameters", "new URLSearchParams({ a: '1 2' })", { type: "application/x-www-form-urlencoded;charset=UTF-8", body: "a=1+2" }],
  ["a stream", "new Blob(['str', 'eam']).stream()", { type: undefined, body: "stream" }],
  ["nothing", "undefined", { type: undefined, body: "" }],
  ["an empty string", "''", { type: "text/plain;charset=UTF-8", body: "" }],
])) {
  test(`a body of ${kind} arrives as it is`, async (t) => {
    const page = await newPage(t);
    await openWithKey(page);
    await page.evaluate(async ([path, code]) => {
      const body = (0, eval)(`(${code})`);
      const response = await vault.fetch(location.origin + path, { method: "POST", body });
      if (response.status !== 200) throw new Error(await response.text());
    }, [CHAT, code]);
    assert.equal(site.relayed[0]?.headers["content-type"], expected.type);
    assert.equal(site.relayed[0]?.body.toString("latin1"), expected.body);
  });
}

test("a form with a file arrives as it is", async (t) => {
  const page = await newPage(t);
  await openWithKey(page);
  await page.evaluate(async () => {
    const form = new FormData();
    form.append("file", new File([new Uint8Array(300_000).fill(7)], "speech.wav", { type: "audio/wav" }));
    form.append("model", "whisper-1");
    await vault.fetch("https://api.openai.com/v1/audio/transcriptions", { method: "POST", body: form });
  });
  const [call] = site.relayed;
  const boundary = /^multipart\/form-data; boundary=(.+)$/.exec(String(call?.headers["content-type"]))?.[1];
  assert.ok(boundary && call?.body.includes(`--${boundary}--`), "the boundary of the header is that of the body");
  assert.ok(call.body.includes('filename="speech.wav"') && call.body.length > 300_000);
});

for (const status of [204, 205, 304]) {
  test(`a ${status} has no body`, async (t) => {
    const page = await newPage(t);
    await openWithKey(page);
    site.api = (_call, response) => void response.writeHead(status).end();
    const result = await page.evaluate(async (path) => {
      const response = await vault.fetch(location.origin + path, { method: "POST", body: "{}" });
      return { status: response.status, body: response.body, text: await response.text() };
    }, CHAT);
    assert.deepEqual(result, { status, body: null, text: "" });
  });
}

test("a clone keeps its URL and both halves can be read", async (t) => {
  const page = await newPage(t);
  await openWithKey(page);
  const result = await page.evaluate(async (path) => {
    const response = await vault.fetch(location.origin + path, { method: "POST", body: "{}" });
    const clone = response.clone();
    return { url: clone.url === response.url, same: (await clone.text()) === (await response.text()) };
  }, CHAT);
  assert.deepEqual(result, { url: true, same: true });
});

test("the provider's status, headers and error body reach the page", async (t) => {
  const page = await newPage(t);
  await openWithKey(page);
  site.api = (_call, response) => void response.writeHead(429, { "retry-after": "7", "content-type": "application/json" }).end('{"error":{}}');
  const result = await page.evaluate(async (path) => {
    const response = await vault.fetch(location.origin + path, { method: "POST", body: "{}" });
    return { status: response.status, after: response.headers.get("retry-after"), text: await response.text() };
  }, CHAT);
  assert.deepEqual(result, { status: 429, after: "7", text: '{"error":{}}' });
});

test("abort before, waiting for headers, and while reading gives the signal's reason", async (t) => {
  const page = await newPage(t);
  await openWithKey(page);
  const before = await failure(page, `await vault.fetch(location.origin + "${CHAT}", { signal: AbortSignal.abort(new RangeError("mine")) })`);
  assert.deepEqual([before?.name, before?.message], ["RangeError", "mine"]);
  assert.equal(site.relayed.length, 0);

  site.api = () => undefined;
  const waiting = await failure(page, `await vault.fetch(location.origin + "${CHAT}", { method: "POST", body: "{}", signal: AbortSignal.timeout(200) })`);
  assert.equal(waiting?.name, "TimeoutError");
  await within(1_000, site.relayed[0]?.closed, "the connection ends before headers");

  site.api = streamEvents(1_000, 20);
  const reading = await failure(page, `
    const controller = new AbortController();
    const response = await vault.fetch(location.origin + "${CHAT}", { method: "POST", body: "{}", signal: controller.signal });
    const reader = response.body.getReader();
    await reader.read();
    controller.abort(new RangeError("enough"));
    for (;;) if ((await reader.read()).done) throw new Error("a clean end");
  `);
  assert.deepEqual([reading?.name, reading?.message], ["RangeError", "enough"]);
  await within(1_000, site.relayed[1]?.closed, "the connection ends mid-stream");
});

test("cancelling the body ends the connection", async (t) => {
  const page = await newPage(t);
  await openWithKey(page);
  site.api = streamEvents(1_000, 20);
  await page.evaluate(async (path) => {
    const response = await vault.fetch(location.origin + path, { method: "POST", body: "{}" });
    await response.body?.cancel();
  }, CHAT);
  await within(1_000, site.relayed[0]?.closed, "the connection ends");
});

test("lock during a stream breaks it, and not with an AbortError", async (t) => {
  const page = await newPage(t);
  await openWithKey(page);
  site.api = streamEvents(1_000, 20);
  const broken = await failure(page, `
    const response = await vault.fetch(location.origin + "${CHAT}", { method: "POST", body: "{}" });
    const reader = response.body.getReader();
    await reader.read();
    await vault.lock();
    for (;;) if ((await reader.read()).done) throw new Error("a clean end");
  `);
  assert.equal(broken?.name, "TypeError");
  await within(1_000, site.relayed[0]?.closed, "the connection ends");
});

test("lock while waiting for headers is answered 423", async (t) => {
  const page = await newPage(t);
  await openWithKey(page);
  site.api = () => undefined;
  const status = await page.evaluate(async (path) => {
    const pending = vault.fetch(location.origin + path, { method: "POST", body: "{}" });
    await new Promise((resolve) => setTimeout(resolve, 200));
    await vault.lock();
    return (await pending).status;
  }, CHAT);
  assert.equal(status, 423);
  await within(1_000, site.relayed[0]?.closed, "the connection ends");
});

test("refusals are answers that SDKs do not retry, and keyneeded says why", async (t) => {
  const page = await newPage(t);
  await open(page);
  const refuse = (/** @type {string} */ path) =>
    page.evaluate(async (path) => {
      /** @type {unknown[]} */
      const needed = [];
      vault.addEventListener("keyneeded", ({ detail }) => void needed.push(detail));
      const response = await vault.fetch(location.origin + path, { method: "POST", body: "{}" });
      const { status, headers, url } = response;
      return { status, retry: headers.get("x-should-retry"), type: headers.get("content-type"), url, body: await response.json(), needed };
    }, path);
  await page.evaluate((password) => vault.create(password), PASSWORD);
  const missing = await refuse(CHAT);
  assert.equal(missing.status, 401);
  assert.equal(missing.body.code, "missing_key");
  assert.equal(missing.body.error.code, "missing_key");
  assert.equal(missing.body.provider, "openai");
  assert.equal(missing.retry, "false");
  assert.equal(missing.type, "application/problem+json");
  assert.equal(missing.url, site.origin + CHAT);
  assert.deepEqual(missing.needed, [{ provider: "openai", reason: "missing" }]);

  await page.evaluate(() => vault.lock());
  const locked = await refuse(CHAT);
  assert.equal(locked.status, 423);
  assert.equal(locked.body.code, "locked");
  assert.equal(locked.retry, "false");
  assert.equal(/** @type {any} */ (locked.needed[0])?.reason, "locked");
  assert.equal(site.relayed.length, 0);
});

test("foreign URLs and lost connections are TypeErrors", async (t) => {
  const page = await newPage(t);
  await openWithKey(page);
  for (const url of ["https://api.openai.com.evil.example/v1/models", "https://evil.example/", "http://api.openai.com/v1/models"]) {
    assert.equal((await failure(page, `await vault.fetch("${url}")`))?.name, "TypeError", url);
  }
  assert.equal(site.relayed.length, 0);
  site.api = (_call, response) => void response.socket?.destroy();
  assert.equal((await failure(page, `await vault.fetch(location.origin + "${CHAT}", { method: "POST", body: "{}" })`))?.name, "TypeError");
  assert.equal((await failure(page, `await vault.fetch("https://api.openai.com/v1/models", { method: "GET", body: "x" })`))?.name, "TypeError");
});

test("a redirect is not followed", async (t) => {
  const page = await newPage(t);
  await openWithKey(page);
  site.api = (_call, response) => void response.writeHead(307, { location: "/elsewhere" }).end();
  assert.equal((await failure(page, `await vault.fetch(location.origin + "${CHAT}", { method: "POST", body: "{}" })`))?.name, "TypeError");
  assert.ok(site.relayed.every(({ path }) => path !== "/elsewhere"));
});

test("interceptFetch takes providers' origins only, until undone", async (t) => {
  const page = await newPage(t);
  await openWithKey(page);
  const result = await page.evaluate(async () => {
    const before = fetch;
    const undo = vault.interceptFetch();
    const intercepted = (await fetch("https://api.openai.com/v1/models")).status;
    const own = await (await fetch("/mine")).json();
    undo();
    return { intercepted, own, restored: fetch === before };
  });
  assert.deepEqual(result, { intercepted: 200, own: { path: "/mine", method: "GET" }, restored: true });
  assert.equal(site.relayed[0]?.headers["x-byok-key"], OPENAI_KEY);
  assert.equal(site.relayed[1]?.headers["x-byok-key"], undefined);
});

test("the app's token goes along and is refreshed once when it expired", async (t) => {
  const page = await newPage(t);
  site.api = (call, response) => {
    const fresh = call.headers.authorization === "Bearer token-2";
    const headers = { "content-type": "application/problem+json", ...(fresh ? {} : { "x-byok-error": "auth_expired" }) };
    response.writeHead(fresh ? 200 : 401, headers).end("{}");
  };
  const status = await page.evaluate(async ([password, key, path]) => {
    let asked = 0;
    globalThis.vault = await kf.openVault({ relay: location.origin, worker: "dedicated", appToken: async () => `token-${++asked}` });
    await vault.create(String(password));
    await vault.keys.add({ provider: "openai", key: String(key) });
    return (await vault.fetch(location.origin + path, { method: "POST", body: "{}" })).status;
  }, [PASSWORD, OPENAI_KEY, CHAT]);
  assert.equal(status, 200);
  assert.deepEqual(site.relayed.map(({ headers }) => headers.authorization), ["Bearer token-1", "Bearer token-2"]);
});

test("a page that does not read stops the sender", async (t) => {
  const page = await newPage(t);
  await openWithKey(page);
  let sent = 0;
  site.api = async (_call, response) => {
    response.writeHead(200, { "content-type": "application/octet-stream" });
    const chunk = Buffer.alloc(64 * 1024, 1);
    let gone = false;
    let drained = () => {};
    response.once("close", () => ((gone = true), drained()));
    response.on("drain", () => drained());
    for (; sent < 4_000 && !gone; sent++) {
      if (!response.write(chunk)) await new Promise((resolve) => (drained = () => resolve(null)));
    }
    response.end();
  };
  const first = await page.evaluate(async (path) => {
    const response = await vault.fetch(location.origin + path, { method: "POST", body: "{}" });
    const reader = response.body?.getReader();
    Object.assign(globalThis, { reader });
    return (await reader?.read())?.value?.length;
  }, CHAT);
  assert.ok(Number(first) > 0);
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.ok(sent < 3_000, "a page that does not read stops the sender");
  const total = await page.evaluate(async (first) => {
    const { reader } = /** @type {any} */ (globalThis);
    let total = Number(first);
    for (let read = await reader.read(); !read.done; read = await reader.read()) total += read.value.length;
    return total;
  }, first);
  assert.equal(total, 4_000 * 64 * 1024);
});

test("many requests at once keep apart", async (t) => {
  const page = await newPage(t);
  await openWithKey(page);
  const paths = await page.evaluate(async () => {
    const asked = Array.from({ length: 50 }, (_, i) => vault.fetch(`https://api.openai.com/v1/models/m${i}`).then((r) => r.json()));
    return (await Promise.all(asked)).map(({ path }) => path);
  });
  assert.deepEqual(paths, Array.from({ length: 50 }, (_, i) => `/providers/openai/v1/models/m${i}`));
});

/** @param {number} ms @param {Promise<number> | undefined} event @param {string} what */
async function within(ms, event, what) {
  let timer;
  const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error(`not within ${ms} ms: ${what}`)), ms)));
  await Promise.race([event, late]);
  clearTimeout(timer);
}
