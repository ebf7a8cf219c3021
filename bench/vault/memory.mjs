// What a worker holds, asked of V8 through the DevTools protocol and of the worker itself.

/**
 * @param {import("playwright-core").Page} page whose vault runs in `observed.js`
 * @param {string} label
 * @returns {Promise<Record<string, number>>} MB by name
 */
export async function workerMemory(page, label) {
  const worker = page.workers().find((worker) => worker.url().endsWith("/observed.js"));
  if (!worker) throw new Error("no vault runs in observed.js");
  const wasm = await worker.evaluate(() => /** @type {any} */ (globalThis).wasmMemory());
  const session = await page.context().newCDPSession(page);
  /** @type {string[]} */
  const attached = [];
  session.on("Target.attachedToTarget", ({ sessionId, targetInfo }) => {
    if (targetInfo.url.endsWith("/observed.js")) attached.push(sessionId);
  });
  // Not flattened: Playwright's own sessions are, and would take the answers.
  await session.send("Target.setAutoAttach", { autoAttach: true, waitForDebuggerOnStart: false, flatten: false });
  const [sessionId] = attached;
  if (!sessionId) throw new Error("the worker cannot be attached to");
  /** @type {Promise<any>} */
  const answer = new Promise((resolve) => {
    session.on("Target.receivedMessageFromTarget", ({ message }) => {
      const { id, result } = JSON.parse(message);
      if (id === 2) resolve(result);
    });
  });
  for (const [index, method] of ["HeapProfiler.collectGarbage", "Runtime.getHeapUsage"].entries()) {
    await session.send("Target.sendMessageToTarget", { sessionId, message: JSON.stringify({ id: index + 1, method }) });
  }
  const usage = await answer;
  await session.detach();
  const megabytes = (/** @type {number} */ bytes) => bytes / 1048576;
  return {
    [`${label}: JavaScript heap, MB`]: megabytes(usage.usedSize),
    [`${label}: WASM memory, MB`]: megabytes(wasm),
  };
}
