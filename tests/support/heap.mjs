// Heap snapshots over CDP, as text: every string a page, a frame or a worker still holds.

/** @typedef {import("playwright-core").CDPSession} CDPSession */

const KINDS = ["page", "iframe", "worker", "shared_worker"];

/**
 * Snapshots of everything that runs on one of the origins, after a garbage collection.
 * @param {import("playwright-core").Browser} browser @param {string[]} origins
 * @returns {Promise<[kind: string, text: string][]>}
 */
export async function heaps(browser, origins) {
  const client = await browser.newBrowserCDPSession();
  try {
    const { targetInfos } = await client.send("Target.getTargets");
    /** @type {[string, string][]} */
    const found = [];
    for (const { targetId, type, url } of targetInfos) {
      if (KINDS.includes(type) && origins.some((origin) => url.startsWith(origin))) found.push([type, await snapshot(client, targetId)]);
    }
    return found;
  } finally {
    await client.detach();
  }
}

/** @param {CDPSession} browser @param {string} targetId */
async function snapshot(browser, targetId) {
  const { sessionId } = await browser.send("Target.attachToTarget", { targetId, flatten: false });
  let id = 0;
  let text = "";
  /** @type {Map<number, (value: unknown) => void>} */
  const waiting = new Map();
  const receive = (/** @type {{sessionId: string, message: string}} */ event) => {
    if (event.sessionId !== sessionId) return;
    const message = JSON.parse(event.message);
    if (message.method === "HeapProfiler.addHeapSnapshotChunk") text += message.params.chunk;
    if (message.id) waiting.get(message.id)?.(message);
  };
  browser.on("Target.receivedMessageFromTarget", receive);
  const send = (/** @type {string} */ method, params = {}) =>
    new Promise((resolve) => {
      id += 1;
      waiting.set(id, resolve);
      void browser.send("Target.sendMessageToTarget", {
        sessionId,
        message: JSON.stringify({ id, method, params }),
      });
    });
  await send("HeapProfiler.collectGarbage");
  await send("HeapProfiler.takeHeapSnapshot", { reportProgress: false });
  browser.off("Target.receivedMessageFromTarget", receive);
  await browser.send("Target.detachFromTarget", { sessionId });
  return text;
}
