/** What the page knows of a provider beyond the vault's catalogue: how to chat with it. */
import { anthropicDialect } from "./chat/anthropic";
import type { Dialect } from "./chat/dialect";
import { geminiDialect } from "./chat/gemini";
import { openaiDialect } from "./chat/openai";

export interface ChatProvider {
  readonly id: string;
  readonly name: string;
  readonly dialect: Dialect;
  readonly defaultModel: string;
  /** Offered in the model field; any other name can be typed. */
  readonly models: readonly string[];
}

export const chatProviders: readonly [ChatProvider, ...ChatProvider[]] = [
  {
    id: "openai",
    name: "OpenAI",
    dialect: openaiDialect("/v1"),
    defaultModel: "gpt-4o-mini",
    models: ["gpt-4o-mini", "gpt-4o", "gpt-4.1-mini", "gpt-4.1"],
  },
  {
    id: "anthropic",
    name: "Anthropic",
    dialect: anthropicDialect,
    defaultModel: "claude-sonnet-4-5",
    models: ["claude-sonnet-4-5", "claude-haiku-4-5", "claude-opus-4-1"],
  },
  {
    id: "google",
    name: "Google Gemini",
    dialect: geminiDialect,
    defaultModel: "gemini-2.5-flash",
    models: ["gemini-2.5-flash", "gemini-2.5-flash-lite", "gemini-2.5-pro"],
  },
  {
    id: "openrouter",
    name: "OpenRouter",
    dialect: openaiDialect("/api/v1"),
    defaultModel: "openai/gpt-4o-mini",
    models: ["openai/gpt-4o-mini", "anthropic/claude-sonnet-4.5", "google/gemini-2.5-flash"],
  },
];
