/**
 * A hint while typing, from 0 (none) to 4. The vault decides what it accepts;
 * this only tells people early which way to go.
 */
export function strength(password: string): number {
  const characters = [...password.normalize("NFKC")];
  if (characters.length === 0) return 0;
  const bits = useful(characters) * Math.log2(alphabet(password));
  if (bits < 28) return 1;
  if (bits < 44) return 2;
  return bits < 56 ? 3 : 4;
}

/** From this length on the vault takes any password that is not blank. */
export const ENOUGH_CHARACTERS = 12;

/** Characters that are not a repetition or a step of a run like "abcd" or "4321". */
function useful(characters: readonly string[]): number {
  let count = 0;
  let step: number | null = null;
  let previous: number | null = null;
  for (const character of characters) {
    const point = character.toLowerCase().codePointAt(0) ?? 0;
    const next: number | null = previous === null ? null : point - previous;
    const predictable = next !== null && (next === 0 || (Math.abs(next) === 1 && next === step));
    count += predictable ? 0.2 : 1;
    step = next;
    previous = point;
  }
  const distinct = new Set(characters.map((character) => character.toLowerCase())).size;
  // "abcabcabcabc" has many steps and few letters.
  return Math.min(count, distinct * 2);
}

function alphabet(password: string): number {
  let size = 0;
  if (/[a-z]/.test(password)) size += 26;
  if (/[A-Z]/.test(password)) size += 26;
  if (/[0-9]/.test(password)) size += 10;
  if (/[^a-zA-Z0-9]/.test(password)) size += 33;
  // People choose words, not letters: a letter of a word is worth about half of a random one.
  return Math.max(2, Math.sqrt(size) * 2);
}
