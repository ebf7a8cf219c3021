// LangChain's `ChatOpenAI`, as an app uses it.

import { tool } from "@langchain/core/tools";
import { ChatOpenAI } from "@langchain/openai";
import { z } from "zod";

const model = (vault) =>
  new ChatOpenAI({
    model: "gpt-4o-mini",
    apiKey: "vault",
    configuration: { fetch: vault.fetch, dangerouslyAllowBrowser: true },
  });

export async function langchainInvoke(vault) {
  return (await model(vault).invoke("Hello")).text;
}

export async function langchainStream(vault) {
  const parts = [];
  for await (const chunk of await model(vault).stream("Hello")) if (chunk.text) parts.push(chunk.text);
  return parts;
}

export async function langchainTools(vault) {
  const weather = tool(async () => '{"celsius":-3}', {
    name: "weather",
    description: "The weather of a place",
    schema: z.object({ place: z.string() }),
  });
  const bound = model(vault).bindTools([weather]);
  const messages = [{ role: "user", content: "What is the weather in Oslo?" }];
  const first = await bound.invoke(messages);
  const [call] = first.tool_calls;
  const last = await bound.invoke([...messages, first, await weather.invoke(call)]);
  return { tool: call.name, arguments: call.args, text: last.text };
}
