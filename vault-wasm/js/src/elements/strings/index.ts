import { ar } from "./ar.js";
import { de } from "./de.js";
import { en, type Strings } from "./en.js";

export type { Message, Strings } from "./en.js";

const CATALOGUES: { readonly [language: string]: Strings } = { en, de, ar };
const RIGHT_TO_LEFT = new Set(["ar"]);

function primary(tag: string): string {
  return tag.toLowerCase().split("-")[0] ?? "";
}

/** What the elements say in this language (BCP 47), in English where they do not know it. */
export function catalogueFor(tag: string): Strings {
  const code = primary(tag);
  return Object.hasOwn(CATALOGUES, code) ? (CATALOGUES[code] ?? en) : en;
}

/** The language the elements speak; what they do not know falls back to English. */
export class Language {
  #code = "en";
  #tag = "en";
  readonly #watchers = new Set<() => void>();

  /** BCP 47, as dates and numbers are written in it. */
  get tag(): string {
    return this.#tag;
  }

  get direction(): "ltr" | "rtl" {
    return RIGHT_TO_LEFT.has(this.#code) ? "rtl" : "ltr";
  }

  get strings(): Strings {
    return CATALOGUES[this.#code] ?? en;
  }

  choose(tag: string): void {
    const code = primary(tag);
    this.#code = Object.hasOwn(CATALOGUES, code) ? code : "en";
    // A date in a language other than the words around it would be read wrongly.
    this.#tag = this.#code === code ? tag : "en";
    for (const changed of this.#watchers) changed();
  }

  watch(changed: () => void): () => void {
    this.#watchers.add(changed);
    return () => void this.#watchers.delete(changed);
  }
}

/** One for the document: its `lang` decides. */
export const language = new Language();
