import type { Provider, VaultState } from "../../types.js";

/** Takes any provider's models, under names of its own. */
const OPENROUTER = "openrouter";

/** Whose key pays: the person's for that provider, their OpenRouter one in its place, the app's, or nobody's. */
export type Payer = "own" | "openrouter" | "app" | "none" | "locked";

/**
 * Who would pay for a model of this provider on the relay's unified routes.
 * `paid` are the providers for which the relay has a key of its own. A locked
 * vault does not tell what it holds.
 */
export function payerOf(provider: string, state: VaultState, providers: readonly Provider[], paid: ReadonlySet<string>): Payer {
  const has = (id: string) => providers.some((known) => known.id === id && known.hasKey);
  if (has(provider)) return "own";
  if (has(OPENROUTER)) return "openrouter";
  if (state === "locked") return "locked";
  return paid.has(provider) ? "app" : "none";
}

/** Who can be used comes first. */
export const PAYER_ORDER: readonly Payer[] = ["own", "openrouter", "app", "locked", "none"];
