/**
 * `keyferry` in one file, for where no other file can be served beside it: the
 * WASM and the worker are inlined. The worker starts from a blob, so the page's
 * Content-Security-Policy needs `worker-src blob:`, and tabs cannot share it:
 * each has its own, kept in step with the others. Pass `workerUrl` to have a
 * served one, shared as usual.
 *
 * @packageDocumentation
 */
import type { Assets } from "./client/connect.js";
import { openWith } from "./client/open.js";
import type { Vault } from "./client/vault.js";
import { wasmBase64, workerSource } from "./inline-assets.js";
import type { OpenOptions } from "./types.js";

let workerUrl: string | undefined;

const assets: Assets = {
  // Never revoked: a later vault of this page starts from it as well.
  worker: () => (workerUrl ??= URL.createObjectURL(new Blob([workerSource], { type: "text/javascript" }))),
  wasm: () => Uint8Array.from(atob(wasmBase64), (char) => char.charCodeAt(0)).buffer,
  shareable: false,
};

/** As `openVault` of `keyferry`. */
export function openVault(options: OpenOptions): Promise<Vault> {
  return openWith(options, assets);
}

export { ERROR_CODES, VaultError, type ErrorCode } from "./errors.js";
export type { Vault } from "./client/vault.js";
export type * from "./types.js";
