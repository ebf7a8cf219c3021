// The route as Next.js would have it: a Request comes in, a Response goes out. The server calls the
// provider for the person, through the relay, with the handle of a lease where a key would be.
import { createOpenAI } from "@ai-sdk/openai";
import { APICallError, convertToModelMessages, createUIMessageStreamResponse, streamText, toUIMessageStream } from "ai";

const relay = process.env.KEYFERRY_RELAY ?? "http://localhost:8787";

/** @param {Request} request */
export async function POST(request) {
  const lease = request.headers.get("x-byok-lease");
  if (!lease) return Response.json({ code: "missing_lease" }, { status: 401 });
  const { messages } = await request.json();

  const openai = createOpenAI({
    baseURL: `${relay}/v1`,
    // The SDK insists on a key; the relay goes by the lease and drops this word.
    apiKey: "lease",
    headers: { "X-BYOK-Lease": lease },
  });
  const result = streamText({
    model: openai.chat("gpt-4o-mini"),
    messages: await convertToModelMessages(messages),
    // The person may stop or leave; then the provider is not to work on.
    abortSignal: request.signal,
    // What the relay refuses once, it refuses again.
    maxRetries: 0,
    // Shown to the person below; the handle is a secret, so nothing of the request is logged.
    onError: () => {},
  });
  return createUIMessageStreamResponse({ stream: toUIMessageStream({ stream: result.stream, onError: explain }) });
}

/** What the person is told. @param {unknown} error */
function explain(error) {
  return APICallError.isInstance(error) ? error.message : "The answer broke off.";
}
