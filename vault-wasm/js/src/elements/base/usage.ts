import type { UsageRow } from "../../types.js";
import type { Model } from "./models.js";

/** Rows that belong together, added up. */
export type Sum = Omit<UsageRow, "keyId" | "provider" | "day">;

export function sum(rows: readonly UsageRow[]): Sum {
  const of = (what: keyof Sum) => rows.reduce((total, row) => total + row[what], 0);
  return {
    requests: of("requests"),
    errors: of("errors"),
    estimated: of("estimated"),
    inputTokens: of("inputTokens"),
    outputTokens: of("outputTokens"),
    costUsd: of("costUsd"),
  };
}

export function group<K>(rows: readonly UsageRow[], by: (row: UsageRow) => K): Map<K, UsageRow[]> {
  const groups = new Map<K, UsageRow[]>();
  for (const row of rows) {
    const key = by(row);
    const found = groups.get(key);
    if (found) found.push(row);
    else groups.set(key, [row]);
  }
  return groups;
}

/** What the same tokens cost at this model's prices, in US dollars; null where nobody knows them. */
export function costAt({ input, output }: Model, { inputTokens, outputTokens }: Pick<Sum, "inputTokens" | "outputTokens">): number | null {
  return input === null || output === null ? null : (input * inputTokens + output * outputTokens) / 1_000_000;
}
