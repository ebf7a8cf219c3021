// The keys of a stored vault, derived as docs/format.md has it: to be searched for where they must not be.

import { createDecipheriv, createHash, hkdfSync, pbkdf2Sync } from "node:crypto";

/** The records as they lie at rest, by name. @typedef {Record<string, Uint8Array>} Records */

const HEADER = `1/${"0".repeat(32)}`;
const WAYS = { password: 1, recovery: 2 };
const SUB_KEYS = ["secrets", "metadata", "fingerprint", "manifest", "audit"];
/** Crockford's base32. */
const DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/**
 * Everything between a password, or a recovery code, and the records: the key-encryption key, the vault key and what is
 * derived from that.
 * @param {Records} records @param {keyof typeof WAYS} way @param {string} typed
 * @returns {Record<string, Uint8Array>}
 */
export function derivedKeys(records, way, typed) {
  const header = Buffer.from(records[HEADER] ?? []);
  const vaultId = header.subarray(10, 26);
  const relay = header.subarray(28);
  const [name, slot] = Object.entries(records).find(([name, bytes]) => name.startsWith("3/") && bytes[11] === WAYS[way]) ?? [];
  if (!name || !slot) throw new Error(`There is no slot of the ${way}.`);
  const bytes = Buffer.from(slot);
  const salt = bytes.subarray(17, 33);
  const secret = way === "password" ? Buffer.from(typed.normalize("NFKC")) : decodeCode(typed);
  const kek =
    way === "password"
      ? pbkdf2Sync(secret, salt, bytes.readUInt32BE(13), 32, "sha256")
      : Buffer.from(hkdfSync("sha256", secret, salt, "keyferry/v1/kek/recovery", 32));
  const sealed = bytes.subarray(-60);
  const open = createDecipheriv("aes-256-gcm", kek, sealed.subarray(0, 12));
  const record = Buffer.concat([bytes.subarray(0, 2), vaultId, bytes.subarray(2, 3), Buffer.from(name.slice(2), "hex"), bytes.subarray(3, 11)]);
  open.setAAD(Buffer.concat([record, sha256(bytes.subarray(0, -60)), sha256(relay)]));
  open.setAuthTag(sealed.subarray(-16));
  const vaultKey = Buffer.concat([open.update(sealed.subarray(12, -16)), open.final()]);
  const subKeys = SUB_KEYS.map((label) => [`${label} key`, Buffer.from(hkdfSync("sha256", vaultKey, vaultId, `keyferry/v1/${label}`, 32))]);
  return { [`KEK of the ${way}`]: kek, [`bytes of the ${way}`]: secret, "vault key": vaultKey, ...Object.fromEntries(subKeys) };
}

/** @param {Uint8Array} bytes */
const sha256 = (bytes) => createHash("sha256").update(bytes).digest();

/** The 16 bytes of a recovery code, as it is shown. @param {string} shown */
function decodeCode(shown) {
  let bits = 0n;
  for (const digit of shown.replace(/[^0-9A-Z]/g, "")) bits = (bits << 5n) | BigInt(DIGITS.indexOf(digit));
  return Buffer.from((bits >> 22n).toString(16).padStart(32, "0"), "hex");
}
