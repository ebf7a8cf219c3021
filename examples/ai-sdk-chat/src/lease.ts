import type { Vault } from "keyferry";

const PROVIDER = "openai";

/**
 * What `/api/chat` gets in a key's place: good for one model, one minute and five cents, whoever gets hold
 * of it. Asks the person for what is missing first.
 */
export async function lease(vault: Vault): Promise<string> {
  if (vault.state !== "unlocked") await vault.ui.open("unlock");
  const hasKey = vault.providers().some(({ id, hasKey }) => id === PROVIDER && hasKey);
  if (vault.state === "unlocked" && !hasKey) await vault.ui.open("keys", { provider: PROVIDER });
  const { handle } = await vault.lease({ provider: PROVIDER, ttlSeconds: 60, maxUsd: 0.05, models: ["gpt-4o-mini"] });
  return handle;
}
