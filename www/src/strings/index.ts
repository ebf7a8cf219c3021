/** What this page says, in the language it speaks. */
import { language, type LanguageCode } from "../language";
import { ar } from "./ar";
import { de } from "./de";
import { en } from "./en";
import type { Strings } from "./en";

export type { Message, Strings } from "./en";

/** By language; the vault's own words are the package's. */
export const catalogues: { readonly [code in LanguageCode]: Strings } = { en, de, ar };

export const strings: Strings = catalogues[language];
