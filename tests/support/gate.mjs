// Stands between the relay and a provider, lets through what it is told to, and sees who hangs up.

import { createServer, request as ask } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { close, listen } from "./listen.mjs";

/** @param {string} provider its origin */
export async function startGate(provider) {
  /** Requests that wait behind the gate, each with what lets it through. @type {(() => void)[]} */
  const waiting = [];
  let open = true;
  let seen = 0;
  let left = 0;
  const server = createServer(async (request, response) => {
    seen += 1;
    response.once("close", () => response.writableFinished || (left += 1));
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    if (!open) await new Promise((resolve) => waiting.push(() => resolve(null)));
    if (response.destroyed) return;
    const { method, url, headers } = request;
    const onward = ask(new URL(url ?? "/", provider), { method, headers: { ...headers, host: new URL(provider).host } }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on("error", () => response.destroy());
    onward.end(Buffer.concat(chunks));
  });
  const port = await listen(server);
  /** @param {() => boolean} condition @param {string} what */
  const until = async (condition, what) => {
    for (const deadline = Date.now() + 10_000; !condition(); await sleep(10)) {
      if (Date.now() > deadline) throw new Error(`not in time: ${what}`);
    }
  };
  return {
    url: `http://127.0.0.1:${port}`,
    /** Requests that came so far. */
    seen: () => seen,
    /** From now on requests wait. */
    shut() {
      open = false;
      seen = 0;
      left = 0;
    },
    /** Lets go of those that wait; later ones pass. */
    open() {
      open = true;
      for (const pass of waiting.splice(0)) pass();
    },
    /** Waits until so many requests have come since it was shut. @param {number} [count] */
    reached: (count = 1) => until(() => seen >= count, `${count} requests`),
    /** Waits until a client has hung up since it was shut. */
    hungUp: () => until(() => left > 0, "a client hangs up"),
    stop: () => close(server),
  };
}
