// What is timed, in the page. The driver (run.mjs) calls these and does the statistics.

const PASSWORD = "correct horse battery staple";
const ITERATIONS = 600_000;
const CHAT = "/providers/openai/v1/chat/completions";

/** @type {Map<string, any>} */
const vaults = new Map();
/** The same key for the plain requests, which carry it themselves. */
const KEY = "sk-proj-" + "benchBENCHbenchBENCHbenchBENCHbenchBENCHbench0";

/** @param {() => Promise<unknown>} work @returns {Promise<number>} milliseconds */
async function timed(work) {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

/** Imports the package and opens a vault in a worker of its own. @param {string} name @param {object} [options] */
async function open(name, options = {}) {
  let vault;
  const ms = await timed(async () => {
    const { openVault } = await import("/keyferry/index.js");
    vault = await openVault({ relay: location.origin, name, worker: "dedicated", ...options });
  });
  vaults.set(name, vault);
  return ms;
}

/** @param {string} name */
const create = (name) => timed(() => vaults.get(name).create(PASSWORD));

/** @param {string} name */
async function unlock(name) {
  const vault = vaults.get(name);
  await vault.lock();
  return timed(() => vault.unlock({ password: PASSWORD }));
}

/** What the browser takes for the derivation alone, imported key included. */
function deriveRaw() {
  return timed(async () => {
    const key = await crypto.subtle.importKey("raw", new TextEncoder().encode(PASSWORD), "PBKDF2", false, ["deriveBits"]);
    const salt = crypto.getRandomValues(new Uint8Array(16));
    await crypto.subtle.deriveBits({ name: "PBKDF2", hash: "SHA-256", salt, iterations: ITERATIONS }, key, 256);
  });
}

/** Adds keys until there are `count`; milliseconds each took on average. @param {string} name @param {number} count */
async function addKeys(name, count) {
  const vault = vaults.get(name);
  const have = (await vault.keys.list()).length;
  const ms = await timed(async () => {
    for (let index = have; index < count; index += 1) {
      // The first is the one the stand-in accepts; the rest are another provider's.
      const key = index === 0 ? KEY : `gsk_bench${String(index).padStart(47, "0")}`;
      await vault.keys.add({ provider: index === 0 ? "openai" : "groq", key, name: `key ${index}` });
    }
  });
  return ms / Math.max(1, count - have);
}

/** @param {string} name */
const list = (name) => timed(() => vaults.get(name).keys.list());

/** @param {string} user what the stand-in is to do */
const body = (user, stream = false) =>
  JSON.stringify({
    model: "gpt-4o-mini",
    user,
    ...(stream && { stream, stream_options: { include_usage: true } }),
    messages: [{ role: "user", content: "Which of the two rivers is the longer one?" }],
  });

/**
 * A way to send: through the vault, or as a page that holds the key itself.
 * @param {string | null} name
 * @returns {(text: string) => Promise<Response>}
 */
function sender(name) {
  const headers = { "content-type": "application/json" };
  if (name) return (text) => vaults.get(name).fetch(CHAT, { method: "POST", headers, body: text });
  const own = { ...headers, "x-byok-key": KEY, "x-byok-provider": "openai" };
  return (text) => fetch(CHAT, { method: "POST", headers: own, body: text, cache: "no-store", credentials: "omit" });
}

/** One request and its whole answer. @param {string | null} name */
async function exchange(name) {
  const send = sender(name);
  const text = body("bench-small");
  return timed(async () => {
    const response = await send(text);
    const answer = await response.text();
    if (!response.ok || !answer.includes("bench0000")) throw new Error(`answered ${response.status}: ${answer.slice(0, 200)}`);
  });
}

/** A stream of `events` events without a pause: MB of body per second, and to the first byte. @param {string | null} name @param {number} events */
async function stream(name, events) {
  const send = sender(name);
  const began = performance.now();
  const response = await send(body(`bench-stream-${events}-0`, true));
  if (!response.ok || !response.body) throw new Error(`answered ${response.status}: ${await response.text()}`);
  const reader = response.body.getReader();
  let bytes = 0;
  let first = 0;
  let tail = "";
  const decoder = new TextDecoder();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    first ||= performance.now() - began;
    bytes += value.byteLength;
    tail = (tail + decoder.decode(value.slice(-32))).slice(-32);
  }
  if (!tail.endsWith("data: [DONE]\n\n")) throw new Error("the stream lost its end");
  return { megabytesPerSecond: bytes / 1048576 / ((performance.now() - began) / 1000), first, bytes };
}

Object.assign(globalThis, { bench: { open, create, unlock, deriveRaw, addKeys, list, exchange, stream } });
