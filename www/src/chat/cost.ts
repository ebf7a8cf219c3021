/** What one answer cost, as the vault counts it: the difference it makes to the day's sum. */
import type { Vault } from "../vault";

export interface Cost {
  readonly tokens: number;
  readonly usd: number;
  readonly estimated: boolean;
}

interface Sum extends Cost {
  readonly requests: number;
}

const DAY_MS = 86_400_000;
/** The vault counts an answer when its last byte has passed, a moment after it has arrived here. */
const TRIES = 8;
const TRY_EVERY_MS = 150;

export async function costMeter(vault: Vault, provider: string): Promise<() => Promise<Cost | null>> {
  const before = await total(vault, provider);
  return async () => {
    for (let attempt = 0; before && attempt < TRIES; attempt += 1) {
      const after = await total(vault, provider);
      if (!after) return null;
      if (after.requests > before.requests) {
        const { tokens, usd } = after;
        return { tokens: tokens - before.tokens, usd: usd - before.usd, estimated: after.estimated !== before.estimated };
      }
      await new Promise((resolve) => setTimeout(resolve, TRY_EVERY_MS));
    }
    return null;
  };
}

/** Null while the vault is locked: it tells nothing then, and the answer is worth more than its price. */
async function total(vault: Vault, provider: string): Promise<Sum | null> {
  const rows = await vault.usage({ since: Date.now() - DAY_MS }).catch(() => null);
  if (!rows) return null;
  const own = rows.filter((row) => row.provider === provider);
  const sum = (of: (row: (typeof own)[number]) => number): number => own.reduce((all, row) => all + of(row), 0);
  return {
    requests: sum((row) => row.requests),
    tokens: sum((row) => row.inputTokens + row.outputTokens),
    usd: sum((row) => row.costUsd),
    estimated: sum((row) => row.estimated) > 0,
  };
}
