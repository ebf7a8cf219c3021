import type { Failure } from "../errors.js";

/** What a call gets that a lock ended, or that needs an open vault. */
export const LOCKED: Failure = { code: "locked", message: "The vault is locked." };

/** What a call gets when the instance trapped. */
export const FAULT: Failure = { code: "worker_failed", message: "The vault stopped unexpectedly." };

/**
 * Makes a {@link Failure} of anything thrown. Ours are plain objects; what an
 * exception says is kept to itself, since its text could quote its input.
 */
export function toFailure(thrown: unknown): Failure {
  const { code, message, field, detail } = (thrown ?? {}) as Partial<Failure>;
  if (thrown instanceof Error || typeof code !== "string") return FAULT;
  const failure: Failure = { code, message: String(message) };
  if (field !== undefined) failure.field = field;
  if (detail !== undefined) failure.detail = detail;
  return failure;
}
