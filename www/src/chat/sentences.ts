/** Index just past the last finished sentence or line of `text`; 0 when nothing is finished yet. */
export function lastSentenceEnd(text: string): number {
  let end = 0;
  for (const match of text.matchAll(/[.!?…]["')\]]*\s|[。！？]|\n/gu)) {
    end = match.index + match[0].length;
  }
  return end;
}
