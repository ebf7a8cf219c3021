// Everything that runs on some origins, over CDP: pages, frames in processes of their own, workers.

const KINDS = ["page", "iframe", "worker", "shared_worker"];

/**
 * @typedef {object} Target
 * @property {string} kind
 * @property {(method: string, params?: object) => Promise<any>} send
 * @property {(method: string, heard: (params: any) => void) => void} on
 */

/**
 * What `look` finds in each target of the origins.
 * @template T
 * @param {import("playwright-core").Browser} browser @param {string[]} origins
 * @param {(target: Target) => Promise<T>} look
 * @returns {Promise<T[]>}
 */
export async function inEach(browser, origins, look) {
  const client = await browser.newBrowserCDPSession();
  try {
    const { targetInfos } = await client.send("Target.getTargets");
    const found = [];
    for (const { targetId, type, url } of targetInfos) {
      if (KINDS.includes(type) && origins.some((origin) => url.startsWith(origin))) found.push(await attached(client, targetId, type, look));
    }
    return found;
  } finally {
    await client.detach();
  }
}

/**
 * @template T
 * @param {import("playwright-core").CDPSession} client @param {string} targetId @param {string} kind
 * @param {(target: Target) => Promise<T>} look
 */
async function attached(client, targetId, kind, look) {
  const { sessionId } = await client.send("Target.attachToTarget", { targetId, flatten: false });
  let id = 0;
  /** @type {Map<number, { resolve: (value: unknown) => void, reject: (error: Error) => void }>} */
  const waiting = new Map();
  /** @type {Map<string, (params: unknown) => void>} */
  const listeners = new Map();
  const receive = (/** @type {{ sessionId: string, message: string }} */ event) => {
    if (event.sessionId !== sessionId) return;
    const message = JSON.parse(event.message);
    if (message.method) listeners.get(message.method)?.(message.params);
    else if (message.error) waiting.get(message.id)?.reject(new Error(message.error.message));
    else waiting.get(message.id)?.resolve(message.result);
  };
  client.on("Target.receivedMessageFromTarget", receive);
  try {
    return await look({
      kind,
      send: (method, params = {}) =>
        new Promise((resolve, reject) => {
          id += 1;
          waiting.set(id, { resolve, reject });
          client.send("Target.sendMessageToTarget", { sessionId, message: JSON.stringify({ id, method, params }) }).catch(reject);
        }),
      on: (method, heard) => void listeners.set(method, heard),
    });
  } finally {
    client.off("Target.receivedMessageFromTarget", receive);
    await client.send("Target.detachFromTarget", { sessionId });
  }
}
