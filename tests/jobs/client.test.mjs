// `vault.jobs` against a scripted relay: what goes out with which secret, and what becomes of trouble.
/// <reference path="../browser/globals.d.ts" />

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";
import { OPENAI_KEY, failure, open, openWithKey, useSite } from "../browser/site.mjs";

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
  test(`a recording goes up by itself, with nothing but the job's handle (${worker} worker)`, async (t) => {
    const page = await newPage(t);
    relay({
      "POST /v1/jobs": (_, response) => json(response, 202, { ...MADE, kind: "transcription", status: "awaiting_file" }),
      "PUT /v1/jobs/job-1/file": (_, response) => json(response, 202, standing("queued")),
    });
    await openWithKey(page, { worker });
    const job = await page.evaluate(() =>
      vault.jobs.create({
        kind: "transcription",
        file: new File([Uint8Array.from({ length: 1 << 20 }, (_, i) => i % 251)], "talk.webm", { type: "audio/webm;codecs=opus" }),
        model: "openai/whisper-1",
        responseFormat: "verbose_json",
        timestampGranularities: ["word"],
        then: { model: "gpt-4o-mini", messages: [] },
      }),
    );
    assert.equal(job.status, "queued");
    assert.equal(job.handle, HANDLE);
    const [lease, description, file] = site.relayed;
    assert.deepEqual(JSON.parse(String(lease?.body)).models, ["openai/whisper-1", "gpt-4o-mini"]);
    assert.deepEqual(JSON.parse(String(description?.body)), {
      kind: "transcription",
      filename: "talk.webm",
      model: "openai/whisper-1",
      response_format: "verbose_json",
      timestamp_granularities: ["word"],
      then: { model: "gpt-4o-mini", messages: [] },
    });
    assert.deepEqual(Object.keys(file?.headers ?? {}).filter((name) => name.startsWith("x-byok")), ["x-byok-job"]);
    assert.equal(file?.headers["x-byok-job"], HANDLE);
    assert.equal(file?.headers["content-type"], "audio/webm;codecs=opus");
    assert.equal(file?.body.length, 1 << 20);
    assert.ok(file?.body.every((byte, i) => byte === i % 251));
  });
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
    response.setHeader("access-control-allow-methods", "PUT");
    if (request.url?.startsWith("/.well-known/")) return void response.writeHead(404).end();
    if (request.url === "/v1/leases") return json(response, 201, LEASE);
    if (request.method === "POST") return json(response, 202, { ...MADE, status: "awaiting_file" });
    if (request.method !== "PUT") return void response.writeHead(204).end();
    await new Promise((resolve) => (read = () => resolve(null)));
    for await (const chunk of request) received += chunk.length;
    json(response, 202, standing("queued"));
  });
  await new Promise((resolve) => slow.listen(0, "127.0.0.1", () => resolve(null)));
  t.after(() => (slow.closeAllConnections(), slow.close()));
  const address = slow.address();
  const origin = `http://localhost:${typeof address === "object" && address?.port}`;
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
  assert.equal(job.status, "queued");
  assert.equal(received, size);
  assert.ok(seen.length >= 2 && seen[0].loaded < size, JSON.stringify(seen));
  assert.equal(seen.at(-1).loaded, size);
  for (const [i, { loaded, total }] of seen.entries()) {
    assert.equal(total, size);
    assert.ok(loaded >= (seen[i - 1]?.loaded ?? 0));
  }
});

const RECORD = `vault.jobs.create({ kind: "transcription", provider: "openai", model: "whisper-1", file: new Blob(["RIFF"]) })`;

test("a recording that is refused or redirected ends the job", async (t) => {
  const page = await newPage(t);
  await openWithKey(page);
  /** @type {(call: Call, response: ServerResponse) => void} */
  let put = () => undefined;
  relay({
    "POST /v1/jobs": (_, response) => json(response, 202, { ...MADE, status: "awaiting_file" }),
    "PUT /v1/jobs/job-1/file": (call, response) => put(call, response),
    "PUT /elsewhere": (_, response) => json(response, 202, standing("queued")),
  });
  /** @type {[string, typeof put, string][]} */
  const cases = [
    ["refused", (_, response) => json(response, 400, { code: "unsupported_audio", detail: "No audio" }), "relay_refused"],
    ["broken", (_, response) => void response.socket?.destroy(), "network"],
    ["redirected", (_, response) => void response.writeHead(307, { location: "/elsewhere" }).end(), "network"],
  ];
  for (const [name, answer, code] of cases) {
    site.calls.length = 0;
    put = answer;
    assert.equal(await codeOf(page, `await ${RECORD}`), code, name);
    assert.equal((await came("DELETE /v1/jobs/job-1")).headers["x-byok-job"], HANDLE);
    for (const call of site.relayed.filter(({ method }) => method === "PUT")) {
      assert.equal(call.headers["x-byok-key"] ?? call.headers["x-byok-lease"], undefined, `${name}: ${call.path}`);
    }
  }
  assert.ok(site.relayed.some(({ path }) => path === "/elsewhere"), "this browser does follow");
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

test("an aborted upload stops, and its job is ended", async (t) => {
  const page = await newPage(t);
  await openWithKey(page);
  let gone = () => {};
  const closed = new Promise((resolve) => (gone = () => resolve(null)));
  relay({
    "POST /v1/jobs": (_, response) => json(response, 202, { ...MADE, status: "awaiting_file" }),
    "PUT /v1/jobs/job-1/file": (_, response) => void response.once("close", gone),
  });
  await page.evaluate((record) => {
    const stop = new AbortController();
    const file = new Blob([new Uint8Array(1 << 20)]);
    const made = vault.jobs.create({ kind: "transcription", provider: "openai", model: "whisper-1", file }, { signal: stop.signal });
    Object.assign(globalThis, { stop, made: made.catch((error) => error) });
  }, RECORD);
  await came("PUT /v1/jobs/job-1/file");
  const reason = await page.evaluate(async () => {
    const { stop, made } = /** @type {any} */ (globalThis);
    stop.abort("enough");
    return made;
  });
  assert.equal(reason, "enough");
  await closed;
  await came("DELETE /v1/jobs/job-1");
});

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

test("a port that may use the vault may have jobs, and no upload leaves the relay", async (t) => {
  const page = await newPage(t);
  relay({ "POST /v1/jobs": (_, response) => json(response, 202, MADE) });
  await open(page);
  await openWithKey(page);
  const result = await page.evaluate(async (chat) => {
    const port = vault.share();
    const guest = await kf.openVault({ relay: location.origin, name: "guest", port });
    const { id } = await guest.jobs.create(/** @type {any} */ (chat));
    const raw = vault.share();
    const answer = new Promise((resolve) => (raw.onmessage = ({ data }) => {
      if (data.t === "welcome") {
        const request = { url: "https://elsewhere.example/v1/jobs/x/file", method: "PUT", headers: [], body: new Blob(["x"]) };
        raw.postMessage({ t: "fetch", id: 1, request, progress: true });
      } else if (data.t === "failed") resolve(data.failure.code);
    }));
    raw.postMessage({ t: "hello", v: 1, name: "raw", relay: location.origin, wasm: "", life: null, capability: "use", token: false, hidden: false });
    return { id, answer: await answer };
  }, CHAT);
  assert.deepEqual(result, { id: "job-1", answer: "network" });
});

test("the app's token goes along with all of it", async (t) => {
  const page = await newPage(t);
  relay({
    "POST /v1/jobs": (_, response) => json(response, 202, { ...MADE, status: "awaiting_file" }),
    "PUT /v1/jobs/job-1/file": (_, response) => json(response, 202, standing("queued")),
  });
  await page.evaluate(async (key) => {
    globalThis.vault = await kf.openVault({ relay: location.origin, worker: "dedicated", appToken: async () => "token" });
    await vault.create("correct horse battery staple");
    await vault.keys.add({ provider: "openai", key });
  }, OPENAI_KEY);
  await failure(page, `await ${RECORD}`);
  assert.deepEqual(site.relayed.map(({ method, headers }) => [method, headers.authorization]), [
    ["POST", "Bearer token"],
    ["POST", "Bearer token"],
    ["PUT", "Bearer token"],
  ]);
});
