import assert from "node:assert/strict";
import { test } from "node:test";
import { currentKid } from "../src/chat/sealing";

/** A key set as docs/sealed-header.md lays it out. */
function keySet(...keys: [kid: string, from: number, until: number][]): string {
  const time = (seconds: number): Buffer => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64BE(BigInt(seconds));
    return bytes;
  };
  const head = [Buffer.from("keyferry/kf1 sealing keys\0"), time(0), time(9_000), Buffer.from([keys.length])];
  const listed = keys.map(([kid, from, until]) => Buffer.concat([Buffer.from([kid.length]), Buffer.from(kid), Buffer.alloc(32, 7), time(from), time(until)]));
  return Buffer.concat([...head, ...listed]).toString("base64url");
}

test("the kid shown is that of the first key in use", () => {
  const set = keySet(["later-_", 500, 900], ["nowNOWnow123", 100, 600], ["also", 100, 600]);
  assert.equal(currentKid(set, 200), "nowNOWnow123");
  assert.equal(currentKid(set, 550), "later-_");
  assert.equal(currentKid(set, 50), "");
});
