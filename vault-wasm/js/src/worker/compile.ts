import { wasmIntegrity } from "./glue.js";
import type { Failure } from "../errors.js";

/**
 * Compiles the vault from its URL or bytes. The digest this worker was built
 * with must match, so a half-updated site fails here and not later.
 */
export async function compile(wasm: string | ArrayBuffer): Promise<WebAssembly.Module> {
  try {
    if (typeof wasm !== "string") return await WebAssembly.compile(wasm);
    const response = await fetch(wasm, { integrity: wasmIntegrity, credentials: "same-origin" });
    if (!response.ok) throw new Error(`status ${response.status}`);
    // Not compileStreaming: it insists on a MIME type that many static servers do not send.
    return await WebAssembly.compile(await response.arrayBuffer());
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw { code: "worker_failed", message: `keyferry.wasm could not be loaded: ${reason}` } satisfies Failure;
  }
}
