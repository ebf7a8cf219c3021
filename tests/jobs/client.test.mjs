// `vault.jobs` against a scripted relay: what goes out with which secret, and what becomes of trouble.
/// <reference path="../browser/globals.d.ts" />

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";
import { OPENAI_KEY, failure, open, openWithKey, useSite } from "../browser/site.mjs";
import { close, listen } from "../support/listen.mjs";

/** @typedef {import("../browser/site.mjs").Call} Call */
/** @typedef {import("node:http").ServerResponse} ServerResponse */

const { site, page: newPage } = useSite();

const HANDLE = "kfj_job-1.secret";
const LEASE = { id: "l1", handle: "kfl_l1.secret", provider: "openai", expiresAt: 1_900_000_000_000 };
const MADE = { id: "job-1", handle: HANDLE, kind: "chat", status: "queued", createdAt: 1, expiresAt: 2 };
const CHAT = { kind: "chat", provider: "openai", request: { model: "gpt-4o-mini", messages: [] } };

/** @param {ServerResponse} response @param {number} status @param {unknown} [body] */
const json = (response, status, body) => void response.writeHead(status, { "content-type": "application/json" }).end(body && JSON.stringify(body));

/** @param {string} status @param {object} [more] */
const standing = (status, more) => ({ ...MADE, handle: undefined, status, attempts: 0, result: null, error: null, ...more });

/** Leases work; the rest is the test's. @param {{ [route: string]: (call: Call, response: ServerResponse) => void }} routes */
function relay(routes) {
  site.api = (call, response) => {
    const route = `${call.method} ${call.path}`;
    const answer = routes[route];
    if (answer) return answer(call, response);
    if (route === "POST /v1/leases") return json(response, 201, LEASE);
    if (call.method === "DELETE") return void response.writeHead(204).end();
    json(response, 404, { code: "job_not_found", detail: "There is no such job" });
  };
}

/** Waits until a call of this route has come. @param {string} route @returns {Promise<Call>} */
async function came(route) {
  for (const deadline = Date.now() + 10_000; Date.now() < deadline; await new Promise((resolve) => setTimeout(resolve, 20))) {
    const call = site.calls.find(({ method, path }) => `${method} ${path}` === route);
    if (call) return call;
  }
  throw new Error(`${route} did not come: ${site.calls.map(({ method, path }) => `${method} ${path}`)}`);
}

/** Codes of `run` in the page. @param {import("playwright-core").Page} page @param {string} run */
const codeOf = async (page, run) => (await failure(page, run))?.code;

test("a chat job is made with a lease for its model, and only the lease with the key", async (t) => {
  const page = await newPage(t);
  relay({ "POST /v1/jobs": (_, response) => json(response, 202, MADE) });
  await openWithKey(page);
  assert.deepEqual(await page.evaluate((chat) => vault.jobs.create(/** @type {any} */ (chat)), CHAT), MADE);
  const [lease, job] = site.relayed;
  assert.equal(lease?.headers["x-byok-key"], OPENAI_KEY);
  assert.deepEqual(JSON.parse(String(lease?.body)), { provider: "openai", models: ["gpt-4o-mini"] });
  assert.equal(job?.headers["x-byok-key"], undefined);
  assert.equal(job?.headers["x-byok-lease"], LEASE.handle);
  assert.equal(job?.headers["x-byok-provider"], "openai");
  assert.deepEqual(JSON.parse(String(job?.body)), { kind: "chat", request: CHAT.request });
  assert.equal(site.relayed.length, 2);
});

for (const worker of ["dedicated", "shared"]) {
  for (const watched of [false, true]) {
    test(`a recording goes with the lease, ${watched ? "watched" : "unwatched"} (${worker} worker)`, async (t) => {
      const page = await newPage(t);
      relay({ "POST /v1/jobs": (_, response) => json(response, 202, { ...MADE, kind: "transcription" }) });
      await openWithKey(page, { worker });
      const { job, seen } = await page.evaluate(async (watched) => {
        /** @type {import("../../vault-wasm/js/src/index.js").UploadProgress[]} */
        const seen = [];
        const job = await vault.jobs.create(
          {
            kind: "transcription",
            file: new File([Uint8Array.from({ length: 1 << 20 }, (_, i) => i % 251)], "talk.webm", { type: "audio/webm;codecs=opus" }),
            model: "openai/whisper-1",
            temperature: 0,
            responseFormat: "verbose_json",
            timestampGranularities: ["word", "segment"],
            then: { model: "gpt-4o-mini", messages: [] },
          },
          watched ? { onUploadProgress: (progress) => seen.push(progress) } : {},
        );
        return { job, seen };
      }, watched);
      assert.deepEqual(job, { ...MADE, kind: "transcription" });
      assert.equal(site.relayed.length, 2);
      const [lease, sent] = site.relayed;
      assert.deepEqual(JSON.parse(String(lease?.body)).models, ["openai/whisper-1", "gpt-4o-mini"]);
      const own = Object.entries(sent?.headers ?? {}).filter(([name]) => name.startsWith("x-byok"));
      assert.deepEqual(Object.fromEntries(own), { "x-byok-lease": LEASE.handle, "x-byok-provider": "openai" });
      const headers = { "content-type": String(sent?.headers["content-type"]) };
      const form = await new Response(new Uint8Array(sent?.body ?? []), { headers }).formData();
      const { file, ...fields } = Object.fromEntries(form);
      assert.deepEqual(fields, {
        kind: "transcription",
        model: "openai/whisper-1",
        response_format: "verbose_json",
        temperature: "0",
        then: '{"model":"gpt-4o-mini","messages":[]}',
        "timestamp_granularities[]": "segment",
      });
      assert.deepEqual(form.getAll("timestamp_granularities[]"), ["word", "segment"]);
      assert.equal([...form.keys()].at(-1), "file");
      assert.ok(file instanceof File && file.name === "talk.webm");
      assert.ok(new Uint8Array(await file.arrayBuffer()).every((byte, i) => byte === i % 251) && file.size === 1 << 20);
      const all = { loaded: sent?.body.length, total: sent?.body.length };
      assert.deepEqual(seen.at(-1), watched ? all : undefined);
    });
  }
}

test("an upload is seen going up, to a relay of another origin", async (t) => {
  const page = await newPage(t);
  const size = 24 << 20;
  let read = () => {};
  let received = 0;
  // Takes in no more of the recording than buffers hold, until it is told to.
  const slow = createServer(async (request, response) => {
    response.setHeader("access-control-allow-origin", site.origin);
    response.setHeader("access-control-allow-headers", request.headers["access-control-request-headers"] ?? "");
    if (request.url?.startsWith("/.well-known/")) return void response.writeHead(404).end();
    if (request.method !== "POST") return void response.writeHead(204).end();
    if (request.url === "/v1/leases") return json(response, 201, LEASE);
    await new Promise((resolve) => (read = () => resolve(null)));
    for await (const chunk of request) received += chunk.length;
    json(response, 202, MADE);
  });
  const origin = `http://localhost:${await listen(slow)}`;
  t.after(() => close(slow));
  site.csp = site.csp.replace("connect-src 'self'", `connect-src 'self' ${origin}`);
  await page.reload();
  await page.waitForFunction(() => "ready" in globalThis);
  await openWithKey(page, { relay: origin, mode: "page" });
  await page.evaluate((size) => {
    /** @type {{loaded: number, total: number}[]} */
    const seen = [];
    const file = new Blob([new Uint8Array(size)], { type: "audio/wav" });
    const made = vault.jobs.create(
      { kind: "transcription", provider: "openai", model: "whisper-1", file },
      { onUploadProgress: (progress) => seen.push(progress) },
    );
    Object.assign(globalThis, { seen, made });
  }, size);
  await page.waitForFunction(() => /** @type {any} */ (globalThis).seen.length > 0);
  assert.equal(received, 0, "it is seen before the relay has read it");
  read();
  const { job, seen } = await page.evaluate(async () => {
    const { seen, made } = /** @type {any} */ (globalThis);
    return { job: await made, seen };
  });
  assert.deepEqual(job, MADE);
  assert.ok(received > size && received < size + 2_000, "the recording, and a form around it");
  assert.ok(seen.length >= 2 && seen[0].loaded < size, JSON.stringify(seen));
  assert.equal(seen.at(-1).loaded, received);
  for (const [i, { loaded, total }] of seen.entries()) {
    assert.equal(total, received);
    assert.ok(loaded >= (seen[i - 1]?.loaded ?? 0));
  }
});

const RECORD = `vault.jobs.create(
  { kind: "transcription", provider: "openai", model: "whisper-1", file: new Blob(["RIFF"]) },
  { onUploadProgress: () => undefined },
)`;

test("an upload that is refused, breaks or is sent elsewhere ends its lease", async (t) => {
  const page = await newPage(t);
  await openWithKey(page);
  /** @type {(call: Call, response: ServerResponse) => void} */
  let answer = () => undefined;
  relay({
    "POST /v1/jobs": (call, response) => answer(call, response),
    "POST /elsewhere": (_, response) => json(response, 202, MADE),
  });
  /** @type {[string, typeof answer, string, string?][]} */
  const cases = [
    ["refused", (_, response) => json(response, 400, { code: "unsupported_audio", detail: "No audio" }), "relay_refused", "No audio"],
    ["refused by a proxy", (_, response) => void response.writeHead(502).end("<html>"), "relay_refused", "The relay answered 502."],
    ["broken", (_, response) => void response.socket?.destroy(), "network"],
    ["redirected", (_, response) => void response.writeHead(307, { location: "/elsewhere" }).end(), "network"],
  ];
  for (const [name, how, code, message] of cases) {
    site.calls.length = 0;
    answer = how;
    const failed = await failure(page, `await ${RECORD}`);
    assert.equal(failed?.code, code, name);
    if (message) assert.equal(failed?.message, message);
    assert.equal((await came("DELETE /v1/leases/l1")).headers["x-byok-lease"], LEASE.handle);
    for (const { path, headers } of site.relayed.filter(({ path }) => path !== "/v1/leases")) {
      assert.equal(headers["x-byok-key"], undefined, `${name}: ${path}`);
    }
  }
  assert.ok(site.relayed.some(({ path }) => path === "/elsewhere"), "this way redirects are followed");
  site.calls.length = 0;
  assert.equal(await codeOf(page, `await ${RECORD.replace("onUploadProgress", "nothing")}`), "network");
  await came("DELETE /v1/leases/l1");
  assert.ok(!site.relayed.some(({ path }) => path === "/elsewhere"), "unwatched they are not");
});

test("a job that is refused ends its lease, and says why", async (t) => {
  const page = await newPage(t);
  relay({ "POST /v1/jobs": (_, response) => json(response, 413, { code: "body_too_large", detail: "Too large" }) });
  await openWithKey(page);
  const refused = await page.evaluate(async (chat) => {
    const { code, detail, message } = await vault.jobs.create(/** @type {any} */ (chat)).then(() => Promise.reject(), (error) => error);
    return { code, detail, message };
  }, CHAT);
  assert.deepEqual(refused, { code: "relay_refused", detail: { status: 413, code: "body_too_large" }, message: "Too large" });
  assert.equal((await came("DELETE /v1/leases/l1")).headers["x-byok-lease"], LEASE.handle);
});

for (const how of ["aborted", "locked"]) {
  test(`an upload that is ${how} stops, and ends its lease`, async (t) => {
    const page = await newPage(t);
    await openWithKey(page);
    const reached = new Promise((resolve) =>
      relay({ "POST /v1/jobs": (_, response) => resolve(new Promise((closed) => response.once("close", closed))) }),
    );
    await page.evaluate(() => {
      const stop = new AbortController();
      const file = new Blob([new Uint8Array(1 << 20)]);
      const made = vault.jobs.create(
        { kind: "transcription", provider: "openai", model: "whisper-1", file },
        { signal: stop.signal, onUploadProgress: () => undefined },
      );
      Object.assign(globalThis, { stop, made: made.catch((error) => error.code ?? error) });
    });
    await came("POST /v1/jobs");
    const reason = await page.evaluate(async (how) => {
      const { stop, made } = /** @type {any} */ (globalThis);
      if (how === "locked") await vault.lock();
      else stop.abort("enough");
      return made;
    }, how);
    assert.equal(reason, how === "locked" ? "network" : "enough");
    await reached;
    await came("DELETE /v1/leases/l1");
  });
}

test("events come in order, over connections that break", async (t) => {
  const page = await newPage(t);
  await openWithKey(page);
  const event = (/** @type {object} */ data) => `event: status\ndata: ${JSON.stringify(data)}\n\n`;
  const stages = ["queued", "active", "completed"].map((status) => standing(status, { result: status === "completed" ? { chat: {} } : null }));
  const [queued, active, completed] = stages.map(event);
  const connections = [
    (/** @type {ServerResponse} */ response) => json(response, 503, { code: "store_unavailable", detail: "Away" }),
    (/** @type {ServerResponse} */ response) => {
      response.writeHead(200, { "content-type": "text/event-stream" }).write(`: keep-alive\n\n${queued}`);
      setTimeout(() => response.write(active?.slice(0, 40)), 50);
      setTimeout(() => response.socket?.destroy(), 100);
    },
    (/** @type {ServerResponse} */ response) => response.socket?.destroy(),
    (/** @type {ServerResponse} */ response) => void response.writeHead(200, { "content-type": "text/event-stream" }).end(queued),
    (/** @type {ServerResponse} */ response) => {
      // Never ended by the server: the final state ends it.
      response.writeHead(200, { "content-type": "text/event-stream" }).write(active + /** @type {string} */ (completed));
    },
  ];
  relay({ "GET /v1/jobs/job-1/events": (call, response) => {
    assert.equal(call.headers["x-byok-job"], HANDLE);
    connections.shift()?.(response);
  } });
  const told = await page.evaluate(async (handle) => {
    const told = [];
    for await (const status of vault.jobs.events(handle)) told.push(status);
    return told;
  }, HANDLE);
  assert.deepEqual(told, JSON.parse(JSON.stringify(stages)));
  assert.equal(connections.length, 0);
  await site.relayed.at(-1)?.closed;
});

test("events end with the loop, and with the signal", async (t) => {
  const page = await newPage(t);
  await openWithKey(page);
  relay({ "GET /v1/jobs/job-1/events": (_, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" }).write(`data: ${JSON.stringify(standing("active"))}\n\n`);
  } });
  assert.equal(await page.evaluate(async (handle) => {
    for await (const { status } of vault.jobs.events(handle)) return status;
    return null;
  }, HANDLE), "active");
  await site.relayed[0]?.closed;
  assert.equal(await page.evaluate(async (handle) => {
    const stop = new AbortController();
    try {
      for await (const _ of vault.jobs.events(handle, { signal: stop.signal })) stop.abort("seen");
    } catch (reason) {
      return reason;
    }
    return null;
  }, HANDLE), "seen");
  await site.relayed[1]?.closed;
});

test("a locked vault makes no job, but follows those it made", async (t) => {
  const page = await newPage(t);
  await openWithKey(page);
  relay({ "GET /v1/jobs/job-1": (_, response) => json(response, 200, standing("active")) });
  await page.evaluate(() => vault.lock());
  assert.equal(await codeOf(page, `await vault.jobs.create(${JSON.stringify(CHAT)})`), "locked");
  assert.equal(site.relayed.length, 0);
  assert.equal(await page.evaluate(async (handle) => (await vault.jobs.get(handle)).status, HANDLE), "active");
  await page.evaluate((handle) => vault.jobs.cancel(handle), HANDLE);
  assert.deepEqual(site.relayed.map(({ method }) => method), ["GET", "DELETE"]);
});

test("what is no handle, and what is no job, is said so before anything is sent", async (t) => {
  const page = await newPage(t);
  await openWithKey(page);
  relay({});
  for (const handle of ["", "job-1", "kfj_.x", "kfj_../../v1.x", "kfj_a/b.x", "kfj_a.b c"]) {
    assert.equal(await codeOf(page, `await vault.jobs.get(${JSON.stringify(handle)})`), "bad_argument", handle);
    assert.equal(await codeOf(page, `await vault.jobs.events(${JSON.stringify(handle)}).next()`), "bad_argument", handle);
  }
  for (const [field, request] of Object.entries({
    request: { kind: "chat", provider: "openai" },
    model: { kind: "transcription", provider: "openai" },
    file: { kind: "transcription", provider: "openai", model: "whisper-1", file: "talk.wav" },
    provider: { kind: "chat", request: { model: "gpt-4o-mini" } },
  })) {
    const failed = await failure(page, `await vault.jobs.create(${JSON.stringify(request)})`);
    assert.deepEqual([failed?.code, failed?.field], ["bad_argument", field]);
  }
  assert.equal(site.relayed.length, 0);
  assert.equal(await codeOf(page, `await vault.jobs.get("${HANDLE}")`), "not_found");
  assert.equal(await codeOf(page, `await vault.jobs.events("${HANDLE}").next()`), "not_found");
});

test("a port that may use the vault may have jobs, and send nothing else by their way", async (t) => {
  const page = await newPage(t);
  relay({ "POST /v1/jobs": (_, response) => json(response, 202, MADE) });
  await openWithKey(page);
  const result = await page.evaluate(async (chat) => {
    const guest = await kf.openVault({ relay: location.origin, name: "guest", port: vault.share() });
    const { id } = await guest.jobs.create(/** @type {any} */ (chat));
    const port = vault.share();
    /** @type {Map<number, (told: string) => void>} */
    const waiting = new Map();
    const welcome = new Promise((resolve) => {
      port.onmessage = ({ data }) => {
        if (data.t === "welcome") resolve(null);
        if (data.t === "failed") waiting.get(data.id)?.(data.failure.code);
        if (data.t === "head") waiting.get(data.id)?.(String(data.head.status));
      };
    });
    port.postMessage({ t: "hello", v: 1, name: "raw", relay: location.origin, wasm: "", life: null, capability: "use", token: false, hidden: false });
    await welcome;
    const headers = [["authorization", "Bearer x"], ["x-byok-key", "sk-x"], ["x-byok-lease", "kfl_x"]];
    const send = (/** @type {string} */ url, /** @type {number} */ id) =>
      new Promise((resolve) => {
        waiting.set(id, resolve);
        port.postMessage({ t: "fetch", id, request: { url, method: "PUT", headers, body: new Blob(["x"]) }, progress: true });
      });
    const urls = ["https://elsewhere.example/v1/jobs", "/v1/jobs/x", "/v1/leases", "/v1/jobs"].map((url) => new URL(url, location.origin).href);
    return { id, told: await Promise.all(urls.map(send)) };
  }, CHAT);
  assert.deepEqual(result, { id: "job-1", told: ["network", "network", "network", "202"] });
  const last = site.relayed.at(-1);
  assert.equal(last?.method, "POST");
  assert.deepEqual([last?.headers.authorization, last?.headers["x-byok-key"], last?.headers["x-byok-lease"]], [undefined, undefined, "kfl_x"]);
});

test("the app's token goes along with all of it", async (t) => {
  const page = await newPage(t);
  relay({ "POST /v1/jobs": (_, response) => json(response, 202, MADE) });
  await page.evaluate(async (key) => {
    globalThis.vault = await kf.openVault({ relay: location.origin, worker: "dedicated", appToken: async () => "token" });
    await vault.create("correct horse battery staple");
    await vault.keys.add({ provider: "openai", key });
  }, OPENAI_KEY);
  assert.equal(await failure(page, `await ${RECORD}`), null);
  assert.deepEqual(site.relayed.map(({ headers }) => headers.authorization), ["Bearer token", "Bearer token"]);
});
