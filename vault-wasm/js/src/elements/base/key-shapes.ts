/** What keys look like. Shapes change without notice, so they only ever advise. */
interface KeyShape {
  readonly example: string;
  readonly pattern: RegExp;
}

/** Most specific first: an OpenRouter key also begins like an OpenAI key. */
const SHAPES: ReadonlyMap<string, KeyShape> = new Map([
  ["anthropic", { example: "sk-ant-api03-…", pattern: /^sk-ant-/ }],
  ["openrouter", { example: "sk-or-v1-…", pattern: /^sk-or-v1-[0-9a-f]+$/ }],
  ["google", { example: "AIza… or AQ.…", pattern: /^(AIza[\w-]{30,}|AQ\.)/ }],
  ["groq", { example: "gsk_…", pattern: /^gsk_/ }],
  ["xai", { example: "xai-…", pattern: /^xai-/ }],
  ["meta", { example: "LLM|…", pattern: /^LLM\|/ }],
  ["openai", { example: "sk-proj-…", pattern: /^sk-(?!ant-|or-v1-)/ }],
  ["deepseek", { example: "sk-…", pattern: /^sk-[0-9a-f]{32}$/ }],
]);

export function keyExample(provider: string): string | undefined {
  return SHAPES.get(provider)?.example;
}

/** `fits`, `unknown`, or the provider whose key it looks like. */
export function judgeKey(provider: string, key: string): "fits" | "unknown" | { provider: string } {
  const trimmed = key.trim().replace(/^(["'])(.*)\1$/, "$2");
  const own = SHAPES.get(provider);
  if (!own || own.pattern.test(trimmed)) return "fits";
  for (const [other, shape] of SHAPES) {
    if (shape.pattern.test(trimmed)) return { provider: other };
  }
  return "unknown";
}
