/** What one answer cost, as the vault counts it: the difference it makes to the day's sum. */
import type { UsageRow, Vault } from "../vault";

export interface Cost {
  readonly tokens: number;
  readonly usd: number;
  readonly estimated: boolean;
}

interface Sum {
  readonly tokens: number;
  readonly usd: number;
  /** How many requests are counted by estimate. */
  readonly estimated: number;
}

const DAY_MS = 86_400_000;
/** The vault counts an answer when its last byte has passed, a moment after it has arrived here. */
const TRIES = 8;
const TRY_EVERY_MS = 150;

/** Whichever key pays in the end: one answer runs at a time. */
export async function costMeter(vault: Vault): Promise<() => Promise<Cost | null>> {
  const before = await total(vault);
  return async () => {
    for (let attempt = 0; before && attempt < TRIES; attempt += 1) {
      const after = await total(vault);
      if (!after) return null;
      // The request is counted when it is sent, its tokens when its answer is through.
      const { tokens, usd } = after;
      if (tokens > before.tokens) return { tokens: tokens - before.tokens, usd: usd - before.usd, estimated: after.estimated > before.estimated };
      await new Promise((resolve) => setTimeout(resolve, TRY_EVERY_MS));
    }
    return null;
  };
}

/** Null while the vault is locked: it tells nothing then, and the answer is worth more than its price. */
async function total(vault: Vault): Promise<Sum | null> {
  const rows = await vault.usage({ since: Date.now() - DAY_MS }).catch(() => null);
  if (!rows) return null;
  const sum = (of: (row: UsageRow) => number): number => rows.reduce((all, row) => all + of(row), 0);
  return {
    tokens: sum((row) => row.inputTokens + row.outputTokens),
    usd: sum((row) => row.costUsd),
    estimated: sum((row) => row.estimated),
  };
}
