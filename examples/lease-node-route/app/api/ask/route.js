// A route in the shape Next.js gives them: a Request comes in, a Response goes out. The app's server
// calls the provider for the person, through the relay, and never has the person's key: what it gets
// from the browser is the handle of a lease.
import OpenAI from "openai";

const relay = process.env.KEYFERRY_RELAY ?? "http://localhost:8787";

/** @param {Request} request */
export async function POST(request) {
  const { lease, model, prompt } = await request.json().catch(() => ({}));
  if (![lease, model, prompt].every((field) => typeof field === "string" && field !== "")) {
    return Response.json({ code: "bad_request" }, { status: 400 });
  }
  const openai = new OpenAI({
    baseURL: `${relay}/v1`,
    // The SDK insists on a key; the relay goes by the lease and drops this word.
    apiKey: "lease",
    defaultHeaders: { "X-BYOK-Lease": lease },
  });
  try {
    const answer = await openai.chat.completions.create(
      { model, messages: [{ role: "user", content: prompt }], stream: true },
      // Whoever asked may go away; then the provider is not to work on.
      { signal: request.signal },
    );
    return new Response(textOf(answer), { headers: { "content-type": "text/plain; charset=utf-8" } });
  } catch (error) {
    if (!(error instanceof OpenAI.APIError)) throw error;
    return Response.json({ code: error.code ?? "unreachable" }, { status: error.status ?? 502 });
  }
}

/** @param {AsyncIterable<OpenAI.Chat.ChatCompletionChunk>} answer */
function textOf(answer) {
  const chunks = answer[Symbol.asyncIterator]();
  const encoder = new TextEncoder();
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await chunks.next();
      if (done) return controller.close();
      controller.enqueue(encoder.encode(value.choices[0]?.delta.content ?? ""));
    },
    async cancel() {
      await chunks.return?.();
    },
  });
}
