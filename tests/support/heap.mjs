// What pages, frames and workers still hold, over CDP: strings by heap snapshots, bytes by going over what keeping.mjs
// has kept, since a snapshot shows that there is a byte array and not what is in it.

import { inEach } from "./targets.mjs";

/** @typedef {import("playwright-core").Browser} Browser */

/**
 * Snapshots of everything that runs on one of the origins, after a garbage collection.
 * @param {Browser} browser @param {string[]} origins
 * @returns {Promise<[kind: string, text: string][]>}
 */
export function heaps(browser, origins) {
  return inEach(browser, origins, async ({ kind, send, on }) => {
    let text = "";
    on("HeapProfiler.addHeapSnapshotChunk", ({ chunk }) => void (text += chunk));
    await send("HeapProfiler.collectGarbage");
    await send("HeapProfiler.takeHeapSnapshot", { reportProgress: false });
    return /** @type {[string, string]} */ ([kind, text]);
  });
}

/**
 * @typedef {object} Held
 * @property {string} kind of the target
 * @property {number} arrays how many were looked through
 * @property {string[]} outside names of the secrets in an array of JavaScript's own
 * @property {string[]} inside names of the secrets in the memory of a WebAssembly instance
 */

/**
 * Which of the secrets lie in byte arrays of what runs on one of the origins. Each must have been started with KEEPING, so
 * that arrays are found which were only dropped.
 * @param {Browser} browser @param {string[]} origins @param {Record<string, Uint8Array>} secrets by name
 * @returns {Promise<Held[]>}
 */
export function buffers(browser, origins, secrets) {
  const needles = Object.entries(secrets).map(([name, bytes]) => [name, [...bytes]]);
  return inEach(browser, origins, async ({ kind, send }) => {
    const objectOf = async (/** @type {string} */ expression) => (await send("Runtime.evaluate", { expression })).result.objectId;
    const memories = await send("Runtime.queryObjects", { prototypeObjectId: await objectOf("WebAssembly.Memory.prototype") });
    const kept = await objectOf("globalThis.kept");
    if (!kept) throw new Error(`the ${kind} was started without keeping its byte arrays`);
    const { result, exceptionDetails } = await send("Runtime.callFunctionOn", {
      functionDeclaration: String(search),
      objectId: kept,
      arguments: [{ objectId: kept }, { objectId: memories.objects.objectId }, { value: needles }],
      returnByValue: true,
    });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return { kind, ...result.value };
  });
}

/**
 * Runs in the target.
 * @param {Set<ArrayBuffer | ArrayBufferView>} kept @param {WebAssembly.Memory[]} memories
 * @param {[name: string, bytes: number[]][]} needles
 * @returns {Omit<Held, "kind">}
 */
function search(kept, memories, needles) {
  const inside = new Set(memories.map(({ buffer }) => /** @type {ArrayBuffer} */ (buffer)));
  const outside = new Set([...kept].map((array) => /** @type {ArrayBuffer} */ (ArrayBuffer.isView(array) ? array.buffer : array)));
  for (const memory of inside) outside.delete(memory);
  const holds = (/** @type {Uint8Array} */ bytes, /** @type {number[]} */ needle) => {
    const [first = 0] = needle;
    for (let at = bytes.indexOf(first); at >= 0; at = bytes.indexOf(first, at + 1)) {
      if (needle.every((byte, i) => bytes[at + i] === byte)) return true;
    }
    return false;
  };
  const found = (/** @type {Set<ArrayBuffer>} */ buffers) => {
    // What was moved elsewhere is empty here.
    const all = [...buffers].filter(({ byteLength }) => byteLength > 0).map((buffer) => new Uint8Array(buffer));
    return needles.filter(([, needle]) => all.some((bytes) => holds(bytes, needle))).map(([name]) => name);
  };
  return { arrays: outside.size, outside: found(outside), inside: found(inside) };
}
