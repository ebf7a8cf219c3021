/**
 * A vault in memory for tests of apps: no worker, no WASM, no network, no
 * storage. It behaves as the real one does towards an app: states, events,
 * snapshots, codes and refusals. It protects nothing.
 *
 * Jobs run at once, on what `respond` answers. Under jsdom their recordings are
 * files of Node's (`import { File } from "node:buffer"`): jsdom's own cannot be
 * sent by any `fetch`.
 *
 * @packageDocumentation
 */
import { Vault } from "./client/vault.js";
import type { NewKey, VaultState } from "./types.js";
import { MemoryLink, type Respond } from "./testing/memory-link.js";

/** How a test wants its vault. */
export interface TestVaultOptions {
  /** Default `"unlocked"`. */
  state?: VaultState;
  /** Default {@link TEST_PASSWORD}. */
  password?: string;
  /** Keys in it from the start; none in an empty vault. */
  keys?: NewKey[];
  /** Default `https://relay.test`. */
  relay?: string;
  /** Answers what `fetch` sends; default an empty JSON object. */
  respond?: Respond;
}

/** The password of test vaults that were given none. */
export const TEST_PASSWORD = "correct horse battery staple";

/** Makes a vault in memory. Resolves when it is in the state asked for. */
export async function createTestVault(options: TestVaultOptions = {}): Promise<Vault> {
  const { state = "unlocked", password = TEST_PASSWORD, keys = [], relay = "https://relay.test" } = options;
  const respond = options.respond ?? (() => Response.json({}));
  const vault = new Vault(new MemoryLink(relay, respond), () => undefined, relay);
  if (state === "empty") return vault;
  await vault.create(password);
  for (const key of keys) await vault.keys.add(key);
  if (state === "locked") await vault.lock();
  return vault;
}

export { VaultError } from "./errors.js";
export type { Vault } from "./client/vault.js";
export type { Respond } from "./testing/memory-link.js";
