/**
 * Every code a {@link VaultError} can carry. The list is closed: code that
 * switches over it can be checked for completeness.
 */
export const ERROR_CODES = [
  // The vault's.
  "locked",
  "no_vault",
  "vault_exists",
  "wrong_password",
  "wrong_recovery_code",
  "bad_recovery_code",
  "wrong_passkey",
  "weak_password",
  "bad_key_format",
  "duplicate_key",
  "duplicate_name",
  "unknown_provider",
  "not_found",
  "key_rejected",
  "bad_argument",
  "relay_changed",
  "relay_downgraded",
  "corrupt",
  "future_version",
  "kdf_refused",
  "bad_backup",
  "quota",
  "storage_lost",
  "storage_failed",
  "reload_required",
  "busy",
  "network",
  "relay_refused",
  "foreign_url",
  "random_failed",
  // The worker's and the page's.
  "forbidden",
  "passkey_failed",
  "worker_failed",
  "closed",
] as const;

/** One of {@link ERROR_CODES}. */
export type ErrorCode = (typeof ERROR_CODES)[number];

/** A failure as it crosses the port: errors themselves lose their fields when cloned. */
export interface Failure {
  code: ErrorCode;
  message: string;
  field?: string;
  detail?: unknown;
}

/** What every method of the vault except `fetch` rejects with. */
export class VaultError extends Error {
  override readonly name = "VaultError";
  /** Stable, from a closed list: what to switch on. */
  readonly code: ErrorCode;
  /** The input this is about, where a form would show it: `"password"`, `"key"`, … */
  readonly field: string | undefined;
  /** Facts for the code at hand, where there are any. */
  readonly detail: unknown;

  constructor(code: ErrorCode, message: string, more: { field?: string | undefined; detail?: unknown } = {}) {
    super(message);
    this.code = code;
    this.field = more.field;
    this.detail = more.detail;
  }

  /** The error a worker reported. */
  static from(failure: Failure): VaultError {
    return new VaultError(failure.code, failure.message, failure);
  }
}
