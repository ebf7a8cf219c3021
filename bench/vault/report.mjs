// The run as text, and against what the vault has set itself.

/** @type {{ goal: string, figure: string, atMost?: number, atLeast?: number }[]} */
const GOALS = [
  { goal: "unlock over raw WebCrypto of the same iterations", figure: "unlock over raw WebCrypto", atMost: 1.05 },
  { goal: "vault.fetch adds at the median, ms", figure: "vault.fetch adds, p50 ms", atMost: 1 },
  { goal: "vault.fetch streaming over fetch's", figure: "vault.fetch streaming over fetch", atLeast: 0.8 },
  { goal: "list 1,000 keys, ms", figure: "list 1000 keys, ms", atMost: 30 },
];

/** @param {Record<string, number>} figures */
export function goals(figures) {
  return GOALS.map((goal) => {
    const measured = figures[goal.figure];
    const met =
      measured === undefined ? null : measured <= (goal.atMost ?? Infinity) && measured >= (goal.atLeast ?? -Infinity);
    return { ...goal, measured: measured ?? null, met };
  });
}

/**
 * @param {Record<string, number>} figures
 * @param {Record<string, { raw: number, gzip: number, brotli: number }>} files
 * @param {ReturnType<typeof goals>} verdicts
 * @param {string} head
 */
export function table(figures, files, verdicts, head) {
  const wide = Math.max(...Object.keys(figures).map((name) => name.length));
  const lines = [head, ""];
  for (const [name, value] of Object.entries(figures)) lines.push(`  ${name.padEnd(wide)}  ${value.toFixed(2).padStart(9)}`);
  lines.push("", "Sizes, bytes" + "raw".padStart(wide - 9) + "gzip".padStart(10) + "brotli".padStart(10));
  for (const [name, size] of Object.entries(files)) {
    const columns = [size.raw, size.gzip, size.brotli].map((bytes) => String(bytes).padStart(10)).join("");
    lines.push(`  ${name.padEnd(wide - 9)}${columns}`);
  }
  lines.push("", "Goals");
  for (const { goal, measured, met, atMost, atLeast } of verdicts) {
    const verdict = met === null ? "not measured" : met ? "met" : "missed";
    const bound = atMost === undefined ? `at least ${atLeast}` : `at most ${atMost}`;
    lines.push(`  ${verdict.padEnd(13)} ${goal}: ${measured === null ? "–" : measured.toFixed(2)} (${bound})`);
  }
  return `${lines.join("\n")}\n`;
}
