/** What the page knows of a provider beyond the vault's catalogue: what its keys look like and how to chat. */
import { anthropicDialect } from "./chat/anthropic";
import type { Dialect } from "./chat/dialect";
import { geminiDialect } from "./chat/gemini";
import { openaiDialect } from "./chat/openai";

export interface KeyShape {
  /** How a key of this provider begins, as shown in the hint. */
  readonly example: string;
  readonly pattern: RegExp;
}

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

/**
 * Most specific first: an OpenRouter key also begins like an OpenAI key. Shapes change without
 * notice, so they only ever advise.
 */
const keyShapes: ReadonlyMap<string, KeyShape> = new Map([
  ["anthropic", { example: "sk-ant-api03-…", pattern: /^sk-ant-/ }],
  ["openrouter", { example: "sk-or-v1-…", pattern: /^sk-or-v1-[0-9a-f]+$/ }],
  ["google", { example: "AIza… or AQ.…", pattern: /^(AIza[\w-]{30,}|AQ\.)/ }],
  ["groq", { example: "gsk_…", pattern: /^gsk_/ }],
  ["xai", { example: "xai-…", pattern: /^xai-/ }],
  ["meta", { example: "LLM|…", pattern: /^LLM\|/ }],
  ["openai", { example: "sk-proj-… or sk-…", pattern: /^sk-(?!ant-|or-v1-)/ }],
  ["deepseek", { example: "sk-…", pattern: /^sk-[0-9a-f]{32}$/ }],
]);

export function keyExample(provider: string): string | null {
  return keyShapes.get(provider)?.example ?? null;
}

export type ShapeVerdict = { kind: "fits" } | { kind: "unknown" } | { kind: "other"; provider: string };

/** Whether a key looks like one of `provider`'s, like another's, or like none the page knows. */
export function judgeKey(provider: string, key: string): ShapeVerdict {
  const trimmed = key.trim().replace(/^(["'])(.*)\1$/, "$2");
  const own = keyShapes.get(provider);
  if (!own || own.pattern.test(trimmed)) return { kind: "fits" };
  for (const [id, shape] of keyShapes) {
    if (shape.pattern.test(trimmed)) return { kind: "other", provider: id };
  }
  return { kind: "unknown" };
}
