// What the relays of these tests have in common.

/** Configuration of a relay that keeps its state in this Redis. @param {string} url */
export function stored(url) {
  return `[store]\nurl = "${url}"\n[secrets]\ncurrent = "k1:${Buffer.alloc(32, 7).toString("base64")}"\n`;
}
