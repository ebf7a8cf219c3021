import { VaultError } from "../errors.js";
import type { OpenOptions } from "../types.js";
import {
  OPEN_TIMEOUT_MS,
  PROTOCOL_VERSION,
  START_TIMEOUT_MS,
  scopeOf,
  type Hello,
  type ToPage,
  type ToWorker,
} from "../wire.js";
import { PortLink } from "./port-link.js";

/** Where an entry keeps its worker and WASM. */
export interface Assets {
  /** URL of the worker script. */
  worker(): string | URL;
  /** URL of the WASM, or the file itself. */
  wasm(): string | URL | ArrayBuffer;
  /** False where the worker's URL is not the same for all pages, which is what sharing goes by. */
  shareable: boolean;
}

/** An outdated shared worker needs a moment to go away before its name is free. */
const RETRIES = 5;
const RETRY_MS = 100;

/** Starts or joins the vault's worker and says hello. Rejects with a VaultError. */
export async function connect(name: string, relay: string, options: OpenOptions, assets: Assets): Promise<PortLink> {
  for (let attempt = 1; ; attempt++) {
    const worker = options.port ? { port: options.port, source: options.port } : start(name, options, assets);
    const link = await greet(worker, name, relay, options, assets);
    if (link) return link;
    worker.port.close();
    if (attempt > RETRIES || options.port) throw new VaultError("worker_failed", "The worker script is older than this page.");
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS * attempt));
  }
}

interface Started {
  port: MessagePort;
  /** For its `error` event: the script could not be loaded or threw. */
  source: EventTarget;
}

function start(name: string, options: OpenOptions, assets: Assets): Started {
  const url = new URL(options.workerUrl ?? assets.worker(), document.baseURI);
  if (url.origin !== location.origin && url.protocol !== "blob:") {
    throw new VaultError(
      "worker_failed",
      `Browsers start workers only from the page's own origin. Serve worker.js there and pass workerUrl (got ${url.origin}).`,
    );
  }
  const kind = options.worker ?? "auto";
  const sharing = (assets.shareable || options.workerUrl !== undefined) && typeof SharedWorker === "function";
  if (kind === "shared" && !sharing) throw new VaultError("worker_failed", "Shared workers are not available here.");
  try {
    if (sharing && kind !== "dedicated") {
      // Outlives the last page by a little, so that a reload finds the vault open.
      const worker = new SharedWorker(trusted(url), { name: scopeOf(name), extendedLifetime: true } as WorkerOptions);
      return { port: worker.port, source: worker };
    }
    const worker = new Worker(trusted(url), { name: scopeOf(name) });
    const { port1, port2 } = new MessageChannel();
    worker.postMessage(null, [port2]);
    return { port: port1, source: worker };
  } catch (cause) {
    throw new VaultError("worker_failed", `The worker could not be started: ${String(cause)}`);
  }
}

interface ScriptUrlPolicy {
  createScriptURL(url: string): string;
}

let policy: ScriptUrlPolicy | undefined;

/**
 * Pages with `require-trusted-types-for 'script'` start workers only from URLs
 * that a policy has passed: this one is `keyferry`. It passes what {@link start} has checked.
 */
function trusted(url: URL): string | URL {
  const { trustedTypes } = globalThis as { trustedTypes?: { createPolicy(name: string, rules: ScriptUrlPolicy): ScriptUrlPolicy } };
  try {
    policy ??= trustedTypes?.createPolicy("keyferry", { createScriptURL: (checked) => checked });
  } catch {
    // The page does not list it. Whether a bare URL does is then the browser's to say.
  }
  return policy?.createScriptURL(url.href) ?? url;
}

/** Resolves with null when the worker is outdated and on its way out. */
async function greet(
  { port, source }: Started,
  name: string,
  relay: string,
  options: OpenOptions,
  assets: Assets,
): Promise<PortLink | null> {
  // A shared port ends with the page that shared it.
  const life = options.port ? { name: null, release: () => undefined } : await holdLife(name).catch(abandon(port, source));
  const wasm = options.wasmUrl ?? assets.wasm();
  const hello: Hello = {
    t: "hello",
    v: PROTOCOL_VERSION,
    name,
    relay,
    relayKey: options.relayKey,
    autoLockMinutes: options.autoLockMinutes,
    wasm: wasm instanceof ArrayBuffer ? wasm : new URL(wasm, document.baseURI).href,
    life: life.name,
    capability: options.capability ?? "owner",
    token: options.appToken !== undefined,
    hidden: document.visibilityState === "hidden",
  };
  try {
    return await greeting(port, source, hello, options, life.release);
  } catch (thrown) {
    life.release();
    return abandon(port, source)(thrown);
  }
}

/** Lets go of a worker that is of no use, and tells why. */
function abandon(port: MessagePort, source: EventTarget): (thrown: unknown) => never {
  return (thrown) => {
    port.close();
    if (source instanceof Worker) source.terminate();
    throw thrown;
  };
}

function greeting(
  port: MessagePort,
  source: EventTarget,
  hello: Hello,
  options: OpenOptions,
  release: () => void,
): Promise<PortLink | null> {
  return new Promise((resolve, reject) => {
    const fail = (message: string) => reject(new VaultError("worker_failed", message));
    let timer = setTimeout(() => fail(`The worker did not start within ${START_TIMEOUT_MS / 1000} s.`), START_TIMEOUT_MS);
    source.addEventListener(
      "error",
      (event) => fail(`The worker script failed: ${(event as ErrorEvent).message ?? "it could not be loaded"}`),
      { once: true },
    );
    port.onmessage = ({ data }: MessageEvent<ToPage>) => {
      switch (data.t) {
        case "alive":
          clearTimeout(timer);
          timer = setTimeout(() => fail("The vault did not open in time."), OPEN_TIMEOUT_MS);
          return;
        case "outdated":
          release();
          resolve(null);
          break;
        case "refused":
          reject(VaultError.from(data.failure));
          break;
        case "welcome":
          resolve(new PortLink(port, data.snapshot, data.life, options.appToken, release));
          break;
        default:
          return;
      }
      clearTimeout(timer);
    };
    port.postMessage(hello satisfies ToWorker);
  });
}

/** Holds a Web Lock until released or the page dies, by which the worker knows. */
async function holdLife(name: string): Promise<{ name: string | null; release: () => void }> {
  // Plain-HTTP pages have no Web Locks; there a closed tab's requests end with their ports.
  if (!navigator.locks) return { name: null, release: () => undefined };
  const life = `${scopeOf(name)}:page:${crypto.randomUUID()}`;
  let release = () => {};
  await new Promise<void>((held, refused) => {
    const request = navigator.locks.request(life, () => {
      held();
      return new Promise<void>((resolve) => (release = resolve));
    });
    // Where a browser refuses these it refuses storage as well: to frames of other sites, in some private windows.
    request.catch(() => refused(new VaultError("storage_failed", "The browser gives the vault no storage here.")));
  });
  return { name: life, release };
}
