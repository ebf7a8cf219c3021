/**
 * Keyferry: a person's AI provider keys, encrypted in their browser, usable
 * by this app through `vault.fetch` and never handed to it.
 *
 * Nothing runs on import; this module is safe to import on a server.
 *
 * @packageDocumentation
 */
import type { Assets } from "./client/connect.js";
import { openWith } from "./client/open.js";
import type { Vault } from "./client/vault.js";
import type { OpenOptions } from "./types.js";

// `new URL(name, import.meta.url)` is what every bundler knows as a reference to a file. Wrapping it in
// `new Worker(…)` would make some of them rebuild the worker, which is complete as it is.
const assets: Assets = {
  worker: () => new URL("./worker.js", import.meta.url),
  wasm: () => new URL("./keyferry.wasm", import.meta.url),
  shareable: true,
};

/**
 * Connects to the vault of that name on this origin, starting it if need be.
 * Within a page there is one per name: asking again gives the same object.
 *
 * Rejects with a {@link VaultError}: `worker_failed` when the worker cannot
 * start or says nothing for 5 s, `reload_required` when another tab runs a
 * newer version, `relay_changed` when the vault is open for another relay,
 * `corrupt`, `storage_lost`.
 */
export function openVault(options: OpenOptions): Promise<Vault> {
  return openWith(options, assets);
}

export { ERROR_CODES, VaultError, type ErrorCode } from "./errors.js";
export type { Vault } from "./client/vault.js";
export type { VaultUi } from "./frame/ui.js";
export type { View } from "./frame/protocol.js";
export type * from "./types.js";
