// A script that runs before others in a page or worker, and keeps every byte array that those come by: what they let go
// of without wiping it then stays there to be found.

import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** A copy of the built site whose worker begins with {@link KEEPING}. */
export async function keepingSite() {
  const folder = await mkdtemp(join(tmpdir(), "keyferry-site-"));
  await cp(fileURLToPath(new URL("../../www/dist", import.meta.url)), folder, { recursive: true });
  const worker = join(folder, "keyferry/worker.js");
  await writeFile(worker, KEEPING + (await readFile(worker, "utf8")));
  return { folder, remove: () => rm(folder, { recursive: true }) };
}

export const KEEPING = `{
  const kept = new Set();
  /** Byte arrays in the arguments of calls that a worker got. */
  const given = new Set();
  globalThis.kept = kept;
  globalThis.given = given;
  const keep = (value, also) => {
    if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) {
      kept.add(value);
      also?.add(value);
    } else if (typeof value === "object" && value !== null && [Object.prototype, Array.prototype].includes(Object.getPrototypeOf(value))) {
      for (const inner of Object.values(value)) keep(inner, also);
    }
    return value;
  };
  for (const name of ["Uint8Array", "ArrayBuffer"]) {
    globalThis[name] = new Proxy(globalThis[name], { construct: (original, args) => keep(new original(...args)) });
  }
  const wrap = (prototype, names) => {
    for (const name of names) {
      const original = prototype[name];
      prototype[name] = function (...args) {
        keep(args);
        const returned = original.apply(this, args);
        return returned instanceof Promise ? returned.then(keep) : keep(returned);
      };
    }
  };
  wrap(Object.getPrototypeOf(Uint8Array.prototype), ["slice"]);
  wrap(ArrayBuffer.prototype, ["slice"]);
  wrap(TextEncoder.prototype, ["encode"]);
  wrap(Blob.prototype, ["arrayBuffer"]);
  wrap(Response.prototype, ["arrayBuffer"]);
  wrap(SubtleCrypto.prototype, ["importKey", "exportKey", "deriveBits", "encrypt", "decrypt", "sign", "digest"]);
  const { set } = Object.getOwnPropertyDescriptor(MessagePort.prototype, "onmessage");
  Object.defineProperty(MessagePort.prototype, "onmessage", {
    configurable: true,
    set(handler) {
      set.call(this, (event) => {
        keep(event.data, event.data?.t === "call" ? given : undefined);
        handler.call(this, event);
      });
    },
  });
}
`;
