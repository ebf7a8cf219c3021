import { wasmIntegrity } from "./glue.js";
import type { Failure } from "../errors.js";

/**
 * Compiles the vault from its URL or bytes. The digest this worker was built
 * with must match: a half-updated site fails here and not later, and no page
 * can put another module in the vault's place.
 */
export async function compile(wasm: string | ArrayBuffer): Promise<WebAssembly.Module> {
  try {
    if (typeof wasm !== "string") {
      await check(wasm);
      return await WebAssembly.compile(wasm);
    }
    const response = await fetch(wasm, { integrity: wasmIntegrity, credentials: "same-origin" });
    if (!response.ok) throw new Error(`status ${response.status}`);
    // Not compileStreaming: it insists on a MIME type that many static servers do not send.
    return await WebAssembly.compile(await response.arrayBuffer());
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw { code: "worker_failed", message: `keyferry.wasm could not be loaded: ${reason}` } satisfies Failure;
  }
}

/** As a fetch with `integrity` does for a URL. Plain-HTTP pages have no digests: there this script is anyone's to change. */
async function check(wasm: ArrayBuffer): Promise<void> {
  if (!crypto.subtle) return;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", wasm));
  if (`sha256-${btoa(String.fromCharCode(...digest))}` !== wasmIntegrity) throw new Error("it is not the one this worker goes with");
}
