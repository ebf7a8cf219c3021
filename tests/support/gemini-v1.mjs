// Gemini's API at version v1, which `@google/genai` asks by default and aimock knows as v1beta only.

import { request as ask } from "node:http";
import { pipeline } from "node:stream/promises";

/**
 * Adds `/v1/models/<model>:<method>` to a stand-in, before it starts: answered by itself as v1beta.
 * @param {import("@copilotkit/aimock").LLMock} mock
 */
export function serveGeminiV1(mock) {
  mock.mount("/v1/models", {
    async handleRequest(request, response) {
      const path = request.url ?? "";
      // Without a method it is OpenAI's list of models.
      if (!/^\/v1\/models\/[^/]+:\w+/.test(path)) return false;
      const forwarded = ask(`${mock.url}/v1beta${path.slice("/v1".length)}`, { method: request.method ?? "POST", headers: request.headers });
      const answered = new Promise((resolve, reject) => void forwarded.once("response", resolve).once("error", reject));
      await pipeline(request, forwarded);
      /** @type {import("node:http").IncomingMessage} */
      const answer = await answered;
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      await pipeline(answer, response);
      return true;
    },
  });
}
