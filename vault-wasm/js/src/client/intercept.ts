import type { Provider } from "../types.js";

/**
 * Sends what the page fetches from the providers' own origins through the
 * vault, for SDKs that take no `fetch`. Everything else goes where it went
 * before. Returns the undo.
 */
export function interceptFetch(
  providers: () => readonly Provider[],
  vaultFetch: typeof globalThis.fetch,
): () => void {
  const before = globalThis.fetch;
  let active = true;
  const intercepted: typeof globalThis.fetch = (input, init) => {
    const goesToVault = active && providers().some(({ origin }) => origin === originOf(input));
    return goesToVault ? vaultFetch(input, init) : before.call(globalThis, input, init);
  };
  globalThis.fetch = intercepted;
  return () => {
    active = false;
    // Somebody may have wrapped ours since; then it stays and only passes on.
    if (globalThis.fetch === intercepted) globalThis.fetch = before;
  };
}

function originOf(input: RequestInfo | URL): string | undefined {
  try {
    const url = input instanceof URL ? input : typeof input === "string" ? input : input.url;
    return new URL(url, globalThis.document?.baseURI).origin;
  } catch {
    return undefined;
  }
}
