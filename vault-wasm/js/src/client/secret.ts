import type { SecretInput } from "../types.js";

const encoder = new TextEncoder();

/** A secret as bytes of its own, fit to be moved into the worker. The caller's array is left alone. */
export function secretBytes(secret: SecretInput): Uint8Array<ArrayBuffer> {
  return typeof secret === "string" ? encoder.encode(secret) : new Uint8Array(secret);
}
