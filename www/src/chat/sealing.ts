/** What is publicly known of how this relay takes keys: sealed, and to which key of its own. */

export interface Sealing {
  /** Names the relay's key that the vault seals to now. */
  readonly kid: string;
}

// The published key set, byte by byte: docs/sealed-header.md.
const COUNT_AT = 42;
const KEY_BYTES = 32;
const TIME_BYTES = 8;

let asked: Promise<Sealing | null> | undefined;

/** Null when keys travel as they are, protected by TLS alone. */
export function sealingOf(relay: string): Promise<Sealing | null> {
  asked ??= fetch(`${relay}/.well-known/keyferry`)
    .then(async (response) => {
      const { sealing, now } = (await response.json()) as { sealing?: { keySet: string }; now: number };
      return sealing ? { kid: currentKid(sealing.keySet, now / 1000) } : null;
    })
    .catch(() => {
      // Asked again next time: not knowing is no answer.
      asked = undefined;
      return null;
    });
  return asked;
}

/** The id of the first key in the set that is in use at `now` (Unix seconds); empty when none is. Exported for tests. */
export function currentKid(keySet: string, now: number): string {
  const bytes = Uint8Array.from(atob(keySet.replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  let at = COUNT_AT + 1;
  for (let left = bytes[COUNT_AT] ?? 0; left > 0; left -= 1) {
    const length = bytes[at] ?? 0;
    const kid = String.fromCharCode(...bytes.subarray(at + 1, at + 1 + length));
    const times = at + 1 + length + KEY_BYTES;
    if (view.getBigUint64(times) <= now && now < view.getBigUint64(times + TIME_BYTES)) return kid;
    at = times + 2 * TIME_BYTES;
  }
  return "";
}
