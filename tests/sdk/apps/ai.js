// Vercel's AI SDK with each provider, as an app uses it.

import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogle } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenRouter } from "@openrouter/ai-sdk-provider";
import { generateText, isStepCount, streamText, tool } from "ai";
import { z } from "zod";

const model = (vault, provider) => {
  const options = { apiKey: "vault", fetch: vault.fetch };
  switch (provider) {
    case "openai":
      return createOpenAI(options)("gpt-4o-mini");
    case "openai.chat":
      return createOpenAI(options).chat("gpt-4o-mini");
    case "anthropic":
      return createAnthropic(options)("claude-haiku-4-5");
    case "google":
      return createGoogle(options)("gemini-2.5-flash");
    case "openrouter":
      return createOpenRouter(options)("openai/gpt-4o-mini");
  }
};

export async function aiGenerate(vault, provider) {
  return (await generateText({ model: model(vault, provider), prompt: "Hello" })).text;
}

export async function aiStream(vault, provider) {
  const parts = [];
  for await (const part of streamText({ model: model(vault, provider), prompt: "Hello" }).textStream) parts.push(part);
  return parts;
}

/** The SDK's own loop: it runs the tool and asks again. */
export async function aiTools(vault, provider) {
  const asked = [];
  const { text, steps } = await generateText({
    model: model(vault, provider),
    prompt: "What is the weather in Oslo?",
    stopWhen: isStepCount(3),
    tools: {
      weather: tool({
        description: "The weather of a place",
        inputSchema: z.object({ place: z.string() }),
        execute: async ({ place }) => {
          asked.push(place);
          return { celsius: -3 };
        },
      }),
    },
  });
  return { asked, text, steps: steps.length };
}

export async function aiAbort(vault, provider) {
  const controller = new AbortController();
  const result = streamText({
    model: model(vault, provider),
    prompt: "Hello slowly",
    abortSignal: controller.signal,
    onError() {},
  });
  const types = [];
  for await (const part of result.fullStream) {
    types.push(part.type);
    if (part.type === "text-delta") controller.abort();
  }
  return types.at(-1);
}
