// The official vectors on what the module's build makes of the primitives: the same sources,
// profile and passes as what ships, with one more export.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { useSite } from "./site.mjs";

const { page: newPage, site } = useSite();

const BUILT = new URL("../../target/wasm-vectors/", import.meta.url);
const VECTORS = new URL("../../vault-wasm/tests/vectors/", import.meta.url);

/**
 * @typedef {object} Step
 * @property {string} name of the primitive
 * @property {string[]} inputs in hex
 * @property {string | null} expected output in hex; null: refused
 */

/** The lines of a file, split; `-` is empty. @param {string} file */
async function lines(file) {
  const text = await readFile(new URL(file, VECTORS), "utf8");
  return text
    .split("\n")
    .filter((line) => line && !line.startsWith("#"))
    .map((line) => line.split(" ").map((field) => (field === "-" ? "" : field)));
}

/** Bytes of any value, as many as `hex` has: what the output overwrites. @param {string} hex */
const room = (hex) => hex.replaceAll(/./g, "f");

/** The steps whose outcome in the module is not as expected. @param {import("node:test").TestContext} t @param {Step[]} steps */
async function failed(t, steps) {
  assert.ok(steps.length > 0);
  const page = await newPage(t);
  site.scripts["/vectors.js"] = `${await readFile(new URL("vault.js", BUILT), "utf8")}\nglobalThis.glue = wasm_bindgen;`;
  await page.addScriptTag({ url: "/vectors.js" });
  const outcomes = await page.evaluate(
    async ([module, steps]) => {
      const unhex = (/** @type {string} */ hex) => Uint8Array.from(hex.match(/../g) ?? [], (byte) => parseInt(byte, 16));
      const { glue } = /** @type {any} */ (globalThis);
      glue.initSync({ module: new WebAssembly.Module(Uint8Array.from(atob(module), (byte) => byte.charCodeAt(0))) });
      return steps.map(({ name, inputs }) => {
        const output = glue.primitive(name, inputs.map(unhex));
        return output ? Array.from(output, (byte) => byte.toString(16).padStart(2, "0")).join("") : null;
      });
    },
    /** @type {const} */ ([(await readFile(new URL("vault_bg.wasm", BUILT))).toString("base64"), steps]),
  );
  assert.equal(outcomes.length, steps.length);
  return steps.filter(({ expected }, at) => outcomes[at] !== expected);
}

test("AES-256-GCM: Wycheproof", async (t) => {
  const steps = (await lines("aes-256-gcm.txt")).flatMap(([verdict, key = "", nonce = "", aad = "", text = "", sealed = ""]) => {
    const open = { name: "open", inputs: [key, nonce, aad, sealed], expected: verdict === "valid" ? text : null };
    return verdict === "valid" ? [open, { name: "seal", inputs: [key, nonce, aad, text], expected: sealed }] : [open];
  });
  assert.equal(steps.length, 2 * 21 + 27);
  assert.deepEqual(await failed(t, steps), []);
});

test("HMAC-SHA256: Wycheproof and RFC 4231, tags uncut", async (t) => {
  const steps = (await lines("hmac-sha256.txt")).flatMap(([key = "", message = "", tag = ""]) => {
    const whole = tag.length === 64;
    const verify = { name: "hmac verify", inputs: [key, message, tag], expected: whole ? "" : null };
    return whole ? [verify, { name: "hmac", inputs: [key, message], expected: tag }] : [verify];
  });
  assert.ok(steps.length > 100, `${steps.length}`);
  assert.deepEqual(await failed(t, steps), []);
});

test("HKDF-SHA256: Wycheproof and RFC 5869", async (t) => {
  const steps = (await lines("hkdf-sha256.txt")).map(([ikm = "", salt = "", info = "", okm = ""]) => ({
    name: "hkdf",
    inputs: [ikm, salt, info, room(okm)],
    expected: okm,
  }));
  assert.deepEqual(await failed(t, steps), []);
});

test("PBKDF2-HMAC-SHA256: Wycheproof and RFC 7914", async (t) => {
  const steps = (await lines("pbkdf2-hmac-sha256.txt")).map(([password = "", salt = "", iterations = "", out = ""]) => ({
    name: "pbkdf2",
    inputs: [password, salt, Number(iterations).toString(16).padStart(8, "0"), room(out)],
    expected: out,
  }));
  assert.deepEqual(await failed(t, steps), []);
});

test("HPKE: the published exports of RFC 9180's vector for the suite, from its ephemeral key pair", async (t) => {
  // mode 0, KEM 0x0020, KDF 0x0001, AEAD 0x0002
  const receiver = "430f4b9859665145a6b1ba274024487bd66f03a2dd577d7753c68d7d7d00c00c";
  const info = "4f6465206f6e2061204772656369616e2055726e";
  const ikm = "2cd7c601cefb3d42a62b04b7a9041494c06c7843818e0ce28a8f704ae7ab20f9";
  const enc = "6c93e09869df3402d7bf231bf540fadd35cd56be14f97178f0954db94b7fc256";
  const steps = [
    ["00", "04d3cb6cc116b28ffd22ad5bc276c60d31fec71ceb87ae24db811c64b7507339"],
    ["54657374436f6e74657874", "7c5ded445732c14fe09727d29b4251c0fd38455fe8440571e687f0886aac94d2"],
    ["", "ded6cffafaea6b812cbf3e241e88332adbc077aca81512914213810ee291770a"],
  ].map(([exporter = "", secret]) => ({ name: "hpke", inputs: [receiver, info, exporter, ikm], expected: `${enc}${secret}` }));
  const zero = { name: "hpke", inputs: ["00".repeat(32), info, "", ikm], expected: null };
  assert.deepEqual(await failed(t, [...steps, zero]), []);
});

test("Ed25519: RFC 8032, and a key of small order", async (t) => {
  const key = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
  const signature =
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da" +
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
  const steps = [
    { name: "ed25519", inputs: [key, "72", signature], expected: "" },
    { name: "ed25519", inputs: [key, "73", signature], expected: null },
    { name: "ed25519", inputs: [`01${"00".repeat(31)}`, "72", signature], expected: null },
  ];
  assert.deepEqual(await failed(t, steps), []);
});
