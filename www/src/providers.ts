/** How to chat with a provider: its own interface where this page speaks it, else the one the relay has for all. */
import { anthropicDialect } from "./chat/anthropic";
import type { Dialect } from "./chat/dialect";
import { geminiDialect } from "./chat/gemini";
import { openaiDialect } from "./chat/openai";
import type { Model, Provider } from "./vault";

/** Where a question goes and in which words. */
export interface Route {
  /** Below the relay. */
  readonly base: string;
  readonly dialect: Dialect;
  /** The model as that interface calls it. */
  readonly model: string;
}

/** The providers' own interfaces, which take their own key only. */
const NATIVE: { readonly [provider: string]: Dialect } = {
  openai: openaiDialect("/v1"),
  anthropic: anthropicDialect,
  google: geminiDialect,
  openrouter: openaiDialect("/api/v1"),
};

const UNIFIED = openaiDialect("/v1");

/** Chosen when a provider is. Others are a search away. */
const FIRST_MODELS: { readonly [provider: string]: string } = {
  openai: "openai/gpt-4o-mini",
  anthropic: "anthropic/claude-sonnet-5",
  google: "google/gemini-2.5-flash",
  openrouter: "openrouter/openai/gpt-4o-mini",
  groq: "groq/openai/gpt-oss-120b",
  mistral: "mistral/mistral-small-latest",
  deepseek: "deepseek/deepseek-chat",
  xai: "xai/grok-4.3",
};

export function firstModel(provider: string): string | undefined {
  return FIRST_MODELS[provider];
}

/** The provider of a model's name: what stands before its first slash, when that is one. */
export function providerOf(model: string, providers: readonly Provider[]): Provider | undefined {
  return providers.find(({ id }) => model.startsWith(`${id}/`));
}

/** A model's name without that of its provider, as the provider itself calls it. */
export function bareName(model: string, provider: string): string {
  const prefix = `${provider}/`;
  return model.startsWith(prefix) ? model.slice(prefix.length) : model;
}

/** On the unified routes another key may pay: an OpenRouter key, or the relay's own. */
export function routeFor(provider: Provider, model: string): Route {
  const name = bareName(model, provider.id);
  const native = provider.hasKey ? NATIVE[provider.id] : undefined;
  return native
    ? { base: `/providers/${provider.id}`, dialect: native, model: name }
    : { base: "", dialect: UNIFIED, model: `${provider.id}/${name}` };
}

/** Families that are for something else than talking: the price list does not say. */
const NO_CHAT = /embed|audio|whisper|transcribe|tts|speech|dall-e|image|imagen|veo|video|sora|moderation|realtime|rerank|ocr|live|lyria|guard|computer-use|deep-research/;

export function chats({ name }: Model): boolean {
  return !NO_CHAT.test(name);
}
