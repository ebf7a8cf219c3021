// OpenAI's SDK, as an app uses it. The vault drops the placeholder that stands for the key.

import OpenAI, { APIUserAbortError } from "openai";

const MODEL = "gpt-4o-mini";
const client = (vault, options) =>
  new OpenAI({ apiKey: "vault", fetch: vault.fetch, dangerouslyAllowBrowser: true, ...options });
const said = (content) => [{ role: "user", content }];

const WEATHER = {
  name: "weather",
  description: "The weather of a place",
  parameters: { type: "object", properties: { place: { type: "string" } }, required: ["place"] },
};

export async function openaiChat(vault) {
  const { data, response } = await client(vault)
    .chat.completions.create({ model: MODEL, messages: said("Hello") })
    .withResponse();
  return { text: data.choices[0].message.content, paidBy: response.headers.get("x-byok-paid-by") };
}

export async function openaiStream(vault) {
  const stream = await client(vault).chat.completions.create({ model: MODEL, messages: said("Hello"), stream: true });
  const parts = [];
  for await (const chunk of stream) parts.push(chunk.choices[0]?.delta?.content ?? "");
  return parts.filter((part) => part !== "");
}

/** A whole loop: the model calls the tool, the tool answers, the model says so. */
export async function openaiTools(vault) {
  const openai = client(vault);
  const messages = said("What is the weather in Oslo?");
  const tools = [{ type: "function", function: WEATHER }];
  const first = await openai.chat.completions.create({ model: MODEL, messages, tools });
  const { message } = first.choices[0];
  const [call] = message.tool_calls;
  messages.push(message, { role: "tool", tool_call_id: call.id, content: '{"celsius":-3}' });
  const last = await openai.chat.completions.create({ model: MODEL, messages, tools });
  return { tool: call.function.name, arguments: JSON.parse(call.function.arguments), text: last.choices[0].message.content };
}

export async function openaiResponses(vault) {
  const response = await client(vault).responses.create({ model: MODEL, input: "Hello" });
  return response.output_text;
}

export async function openaiResponsesStream(vault) {
  const stream = await client(vault).responses.create({ model: MODEL, input: "Hello", stream: true });
  const types = [];
  let text = "";
  for await (const event of stream) {
    types.push(event.type);
    if (event.type === "response.output_text.delta") text += event.delta;
  }
  return { text, last: types.at(-1) };
}

export async function openaiEmbeddings(vault) {
  const { data } = await client(vault).embeddings.create({ model: "text-embedding-3-small", input: ["one", "two"] });
  return data.map(({ embedding }) => embedding.length);
}

export async function openaiTranscription(vault) {
  const file = new File([new Uint8Array(200_000).fill(1)], "speech.wav", { type: "audio/wav" });
  const { text } = await client(vault).audio.transcriptions.create({ model: "whisper-1", file });
  return text;
}

export async function openaiModels(vault) {
  const ids = [];
  for await (const model of client(vault).models.list()) ids.push(model.id);
  return ids;
}

/** Aborts after the first piece of the answer. */
export async function openaiAbort(vault) {
  const stream = await client(vault).chat.completions.create({ model: MODEL, messages: said("Hello slowly"), stream: true });
  let chunks = 0;
  for await (const _ of stream) if (++chunks === 1) stream.controller.abort();
  return chunks;
}

/** Aborts while the answer has not begun. */
export async function openaiAbortEarly(vault) {
  const controller = new AbortController();
  const answer = client(vault).chat.completions.create(
    { model: MODEL, messages: said("Hello, never mind") },
    { signal: controller.signal },
  );
  setTimeout(() => controller.abort(), 100);
  return answer.then(
    () => "answered",
    (error) => (error instanceof APIUserAbortError ? "aborted" : String(error)),
  );
}

/** The SDK's own retries, which are the app's choice. */
export async function openaiRetries(vault, maxRetries) {
  const openai = client(vault, maxRetries === undefined ? {} : { maxRetries });
  const answer = openai.chat.completions.create({ model: MODEL, messages: said("Hello after two failures") });
  return answer.then(
    ({ choices }) => ({ text: choices[0].message.content }),
    ({ status }) => ({ status }),
  );
}

/** What SDKs do to learn what kind of `fetch` they were given. */
export async function fetched(vault, url) {
  try {
    const response = await vault.fetch(url);
    const bytes = [...new Uint8Array(await response.arrayBuffer())];
    return { url: response.url, status: response.status, type: response.headers.get("content-type"), bytes };
  } catch (error) {
    return error.constructor.name;
  }
}
