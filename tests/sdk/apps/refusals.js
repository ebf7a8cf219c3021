// One question to each SDK, and what the app sees of the answer when there is none.

import Anthropic from "@anthropic-ai/sdk";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogle } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { GoogleGenAI } from "@google/genai";
import { ChatOpenAI } from "@langchain/openai";
import { createOpenRouter } from "@openrouter/ai-sdk-provider";
import { generateText } from "ai";
import OpenAI from "openai";

const GPT = "gpt-4o-mini";
const CLAUDE = "claude-haiku-4-5";
const GEMINI = "gemini-2.5-flash";

/** As an app makes each SDK's client, without a word about retries unless `retries` says so. */
const SDKS = {
  openai: (vault, content, retries) =>
    new OpenAI({ ...browser(vault), ...retries }).chat.completions.create({ model: GPT, messages: [{ role: "user", content }] }),
  anthropic: (vault, content, retries) =>
    new Anthropic({ ...browser(vault), ...retries }).messages.create({
      model: CLAUDE,
      max_tokens: 100,
      messages: [{ role: "user", content }],
    }),
  google: async (vault, contents) => {
    const undo = vault.interceptFetch();
    try {
      await new GoogleGenAI({ apiKey: "vault" }).models.generateContent({ model: GEMINI, contents });
    } finally {
      undo();
    }
  },
  "ai + openai": (vault, prompt, retries) => generateText({ model: createOpenAI(plain(vault))(GPT), prompt, ...retries }),
  "ai + anthropic": (vault, prompt, retries) => generateText({ model: createAnthropic(plain(vault))(CLAUDE), prompt, ...retries }),
  "ai + google": (vault, prompt, retries) => generateText({ model: createGoogle(plain(vault))(GEMINI), prompt, ...retries }),
  "ai + openrouter": (vault, prompt, retries) =>
    generateText({ model: createOpenRouter(plain(vault))("openai/gpt-4o-mini"), prompt, ...retries }),
  langchain: (vault, prompt, retries) =>
    new ChatOpenAI({
      model: GPT,
      apiKey: "vault",
      configuration: { fetch: vault.fetch, dangerouslyAllowBrowser: true },
      ...retries,
    }).invoke(prompt),
};

const plain = (vault) => ({ apiKey: "vault", fetch: vault.fetch });
const browser = (vault) => ({ ...plain(vault), dangerouslyAllowBrowser: true });

/** What the app catches: Vercel's SDK wraps the last of several failures. */
export async function outcome(vault, sdk, question, retries) {
  try {
    await SDKS[sdk](vault, question, retries);
    return { answered: true };
  } catch (thrown) {
    const error = thrown.lastError ?? thrown;
    const { name, constructor, status = error.statusCode, message } = error;
    return { status, name: name === "Error" ? constructor.name : name, message };
  }
}

export const lock = (vault) => vault.lock();
