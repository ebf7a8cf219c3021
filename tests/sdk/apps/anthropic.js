// Anthropic's SDK, as an app uses it.

import Anthropic, { APIUserAbortError } from "@anthropic-ai/sdk";

const MODEL = "claude-haiku-4-5";
const client = (vault, options) =>
  new Anthropic({ apiKey: "vault", fetch: vault.fetch, dangerouslyAllowBrowser: true, ...options });
const said = (content) => [{ role: "user", content }];
const text = ({ content }) => content.map((block) => (block.type === "text" ? block.text : "")).join("");

const WEATHER = {
  name: "weather",
  description: "The weather of a place",
  input_schema: { type: "object", properties: { place: { type: "string" } }, required: ["place"] },
};

export async function anthropicMessage(vault) {
  return text(await client(vault).messages.create({ model: MODEL, max_tokens: 100, messages: said("Hello") }));
}

export async function anthropicStream(vault) {
  const stream = client(vault).messages.stream({ model: MODEL, max_tokens: 100, messages: said("Hello") });
  const parts = [];
  stream.on("text", (part) => void parts.push(part));
  return { final: text(await stream.finalMessage()), parts };
}

export async function anthropicTools(vault) {
  const anthropic = client(vault);
  const messages = said("What is the weather in Oslo?");
  const first = await anthropic.messages.create({ model: MODEL, max_tokens: 100, messages, tools: [WEATHER] });
  const call = first.content.find(({ type }) => type === "tool_use");
  messages.push(
    { role: "assistant", content: first.content },
    { role: "user", content: [{ type: "tool_result", tool_use_id: call.id, content: '{"celsius":-3}' }] },
  );
  const last = await anthropic.messages.create({ model: MODEL, max_tokens: 100, messages, tools: [WEATHER] });
  return { tool: call.name, arguments: call.input, text: text(last) };
}

export async function anthropicModels(vault) {
  const ids = [];
  for await (const model of client(vault).models.list()) ids.push(model.id);
  return ids;
}

export async function anthropicAbort(vault) {
  const stream = client(vault).messages.stream({ model: MODEL, max_tokens: 100, messages: said("Hello slowly") });
  stream.on("text", () => stream.abort());
  return stream.finalMessage().then(
    () => "answered",
    (error) => (error instanceof APIUserAbortError ? "aborted" : String(error)),
  );
}
