// Makes every panic of the module a bare trap, before it is optimised:
//   node vault-wasm/js/build/mute.mjs target/wasm-bindgen/vault_bg.wasm
import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import binaryen from "binaryen";

/** How the demangled names of the standard library begin: crate, hash, path. */
const path = (pattern) => new RegExp(`^<?(?:${pattern.replaceAll("~", String.raw`\[\w+\]::`)})`);

/** All of these end in a trap; what they do before it is to put a message together, which nobody is there to read. */
const PANICS = path(
  [
    "core~panicking::",
    "core~cell::panic_already_",
    "core~cell::lazy::panic_poisoned",
    "core~option::(unwrap|expect)_failed",
    "core~result::unwrap_failed",
    "core~slice::index::slice_index_fail",
    "core~str::slice_error_fail",
    "alloc~raw_vec::(handle_error|capacity_overflow)",
    "alloc~alloc::handle_alloc_error",
    "alloc~vec::.*::assert_failed",
    "std~panicking::",
    "std~alloc::rust_oom",
    "std~thread::local::panic_access_error",
    "__rustc~(rust_begin_unwind|rust_panic|__rust_start_panic|__rdl_alloc_error)",
  ].join("|"),
);

/** Formatting, which only panics use: that is checked. */
const FORMATTING = /(^|[ <])core(\[\w+\])?::fmt::/;

/** Where panics come from: source files by the names the build gives them. */
const PLACES = /(?:crates|rust|\/rustc\/[0-9a-f]{40}|\/rust\/deps|vault-wasm\/src|protocol\/src)\/[\w./-]*?\.rs/g;

/**
 * A panic of this module aborts: on this target the standard library writes
 * its message nowhere. So the functions that panic become traps at once, the
 * formatting behind them goes, and the names of places are blanked.
 *
 * @param {Buffer} wasm with its name section
 */
export function mute(wasm) {
  const module = binaryen.readBinary(wasm);
  const functions = Array.from({ length: module.getNumFunctions() }, (_, index) => {
    const ref = module.getFunctionByIndex(index);
    const { name, base, body } = binaryen.getFunctionInfo(ref);
    return { ref, body, imported: base !== "", name: plain(name) };
  }).filter(({ imported }) => !imported);
  const silent = ({ name }) => PANICS.test(name) || FORMATTING.test(name);
  for (const { name, body } of functions.filter((each) => !silent(each))) {
    const formats = [...binaryen.emitText(body).matchAll(/\(call \$(?:"([^"]+)"|(\S+))/g)]
      .map(([, quoted, bare]) => plain(quoted ?? bare))
      .find((callee) => FORMATTING.test(callee));
    // A trap there would not be a panic's.
    if (formats) throw new Error(`${name} calls ${formats}: the vault's module must not format.`);
  }
  const muted = functions.filter(silent);
  if (muted.length === 0) throw new Error("The module has no panics by name: is its name section missing?");
  for (const { ref } of muted) binaryen.Function.setBody(ref, module.unreachable());
  const bytes = Buffer.from(module.emitBinary());
  for (let index = 0; index < module.getNumDataSegments(); index += 1) {
    const segment = module.getDataSegmentInfo(module.getDataSegmentByIndex(index));
    // As long as before, so that nothing moves.
    withoutPlaces(segment).copy(bytes, bytes.indexOf(Buffer.from(segment.data)));
  }
  const [left] = bytes.toString("latin1").match(/[\w/.-]*\/[\w-]+\.rs/) ?? [];
  if (left) throw new Error(`The module names ${left}: the build's paths must not be in it.`);
  return bytes;
}

/**
 * A segment with the names of source files blanked, and the places in them: `core::panic::Location`
 * is four words, the address and length of the name, line and column.
 *
 * @param {{ offset: number, data: ArrayBuffer }} segment
 */
function withoutPlaces({ offset, data }) {
  const bytes = Buffer.from(data.slice());
  const names = new Map();
  for (const { 0: name, index } of bytes.toString("latin1").matchAll(PLACES)) {
    names.set(offset + index, name.length);
    bytes.fill(0, index, index + name.length);
  }
  for (let at = -offset & 3; at + 16 <= bytes.length; at += 4) {
    if (names.get(bytes.readUInt32LE(at)) === bytes.readUInt32LE(at + 4)) bytes.fill(0, at, at + 16);
  }
  return bytes;
}

/** Binaryen escapes what WebAssembly's text format does not take: `\5b` is `[`. */
function plain(name) {
  return name.replace(/\\([0-9a-f]{2})/g, (_, code) => String.fromCharCode(Number.parseInt(code, 16)));
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [, , file] = process.argv;
  writeFileSync(file, mute(readFileSync(file)));
}
