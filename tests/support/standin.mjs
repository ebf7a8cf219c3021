// A provider nobody here wrote: aimock on a loopback port, imitating OpenAI, Anthropic, Gemini,
// OpenRouter and transcription. The demo runs this file; tests import `startStandin`.

import { LLMock } from "@copilotkit/aimock";
import process from "node:process";
import { pathToFileURL } from "node:url";

import { signIn } from "./openrouter.mjs";

/** What it answers when no fixture of the test's own matches. */
export const ANSWER =
  "This answer streams from a stand-in provider on your own machine. " +
  "It came through the relay, which took your key from the request, put it where the provider " +
  "expects it, and forgot it.";

/**
 * @param {object} [options]
 * @param {number} [options.port] 0 chooses a free one
 * @param {number} [options.latency] milliseconds between two events of a stream
 * @param {string[]} [options.keys] the only keys it accepts; absent: any
 * @param {(mock: LLMock) => void} [options.fixtures] adds fixtures that win over the default answer
 * @returns {Promise<LLMock>} started; `url`, `journal`, `stop()`
 */
export async function startStandin({ port = 0, latency = 25, keys, fixtures } = {}) {
  const mock = new LLMock({
    host: "127.0.0.1",
    port,
    latency,
    chunkSize: 12,
    logLevel: "silent",
    ...(keys && { auth: { apiKeys: keys } }),
  });
  fixtures?.(mock);
  const { page, trade } = signIn();
  mock.mount("/auth", page).mount("/api/v1/auth/keys", trade);
  mock.onTranscription({ transcription: { text: "A short recording, transcribed by the stand-in provider." } });
  mock.addFixture({ match: {}, response: { content: ANSWER } });
  await mock.start();
  return mock;
}

const main = process.argv[1];
if (main && import.meta.url === pathToFileURL(main).href) {
  const mock = await startStandin();
  const stop = () => void mock.stop().then(() => process.exit(0));
  process.on("SIGINT", stop).on("SIGTERM", stop);
  // Whoever started it holds the other end: when that process dies, so does this one.
  process.stdin.resume().on("end", stop);
  process.stdout.write(`listening ${mock.url}\n`);
}
