/** Turns anything that can go wrong into what the page shows: words, what to do next, one action. */
import type { Failure } from "./chat/ask";
import { strings } from "./strings";
import type { Message, Strings } from "./strings";
import type { MessageFor } from "./vault";

export type Action = "unlock" | "add-key" | "reload" | "retry";

export interface Problem extends Message {
  readonly code: string;
  /** What the other side said in its own words, when it said something. */
  readonly detail: string | null;
  readonly action: Action | null;
}

type RequestCode = keyof Strings["requestProblems"];

/** Of the vault's codes, those with a button that helps. */
const vaultActions: { readonly [code: string]: Action } = {
  locked: "unlock",
  network: "reload",
  storage_lost: "reload",
  storage_failed: "reload",
  worker_failed: "reload",
  reload_required: "reload",
  closed: "reload",
  future_version: "reload",
};

const requestActions: Partial<Record<RequestCode, Action>> = {
  locked: "unlock",
  no_vault: "reload",
  missing_key: "add-key",
  bad_key_header: "add-key",
  bad_header: "reload",
  sealed_required: "reload",
};

/** From anything a method of the vault rejected with, in the vault's own words. */
export function fromVault(error: unknown, messageFor: MessageFor): Problem {
  const { code } = (error ?? {}) as { code?: unknown };
  const message = messageFor(code);
  if (!message || typeof code !== "string") return { ...strings.unexpected, code: "unexpected", detail: null, action: "reload" };
  return { ...message, code, detail: null, action: vaultActions[code] ?? null };
}

/** The package with the vault is not there. */
export function notLoaded(): Problem {
  return { ...strings.notLoaded, code: "worker_failed", detail: null, action: "reload" };
}

/** From the end of a chat answer; `name` is the provider's. */
export function fromRequest(failure: Failure, name: string, messageFor: MessageFor): Problem {
  const wait = failure.retryAfter === null ? null : strings.waitSeconds(failure.retryAfter);
  const said = failure.message === null ? null : strings.chat.providerSaid(name, failure.message);
  const { code } = failure;

  if (code === null) {
    return {
      ...providerMessage(failure.status, name),
      code: `provider_${failure.status ?? "error"}`,
      detail: join(said, wait),
      action: failure.status === 401 ? "add-key" : "retry",
    };
  }
  if (Object.hasOwn(strings.requestProblems, code)) {
    const known = code as RequestCode;
    return {
      ...strings.requestProblems[known],
      code,
      // The relay's own words only repeat the sentence above.
      detail: join(known === "provider_stream_error" ? said : null, wait),
      action: requestActions[known] ?? "retry",
    };
  }
  // Some refusals are the vault's own, such as relay_downgraded.
  const own = messageFor(code);
  if (own) return { ...own, code, detail: wait, action: vaultActions[code] ?? "retry" };
  // A relay newer than this page may know codes that have no sentence here.
  const fallback = failure.message === null ? null : strings.chat.relaySaid(failure.message);
  return {
    ...strings.unexpected,
    code,
    detail: join(fallback, strings.unknownCode(code), wait),
    action: "retry",
  };
}

function providerMessage(status: number | null, name: string): Message {
  const table = strings.providerProblems;
  if (status !== null && status >= 500) return table[500](name);
  switch (status) {
    case 400:
    case 401:
    case 402:
    case 403:
    case 404:
    case 413:
    case 429:
      return table[status](name);
    default:
      return table.other(name);
  }
}

function join(...parts: (string | null)[]): string | null {
  return parts.filter((part) => part !== null).join(" ") || null;
}
