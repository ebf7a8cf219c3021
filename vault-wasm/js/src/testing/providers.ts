/** The built-in catalogue as far as tests look at it. */
export const PROVIDERS: readonly { id: string; name: string; origin: string; models: RegExp }[] = [
  { id: "openai", name: "OpenAI", origin: "https://api.openai.com", models: /^(openai\/|gpt-|o\d|chatgpt-|text-embedding-|whisper-)/ },
  { id: "anthropic", name: "Anthropic", origin: "https://api.anthropic.com", models: /^(anthropic\/|claude-)/ },
  { id: "google", name: "Google", origin: "https://generativelanguage.googleapis.com", models: /^(google\/|gemini-)/ },
  { id: "openrouter", name: "OpenRouter", origin: "https://openrouter.ai", models: /^openrouter\// },
  { id: "meta", name: "Meta", origin: "https://api.llama.com", models: /^(meta-llama\/|llama-)/ },
  { id: "groq", name: "Groq", origin: "https://api.groq.com", models: /^groq\// },
  { id: "xai", name: "xAI", origin: "https://api.x.ai", models: /^(xai\/|grok-)/ },
  { id: "deepseek", name: "DeepSeek", origin: "https://api.deepseek.com", models: /^deepseek/ },
  { id: "mistral", name: "Mistral", origin: "https://api.mistral.ai", models: /^mistral/ },
];

/** The provider of a model's name; what nobody claims goes to OpenRouter. */
export function providerOf(model: string): string {
  return PROVIDERS.find(({ models }) => models.test(model))?.id ?? "openrouter";
}
