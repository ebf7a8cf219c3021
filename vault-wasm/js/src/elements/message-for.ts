import type { ErrorCode } from "../errors.js";
import { catalogueFor, language, type Message } from "./strings/index.js";

/**
 * What went wrong and what to do next, in plain words, for the code of a
 * `VaultError`; null for a code that is none of the vault's. In the document's
 * language, or that of `lang` (BCP 47) as far as it is known.
 */
export function messageFor(code: unknown, lang?: string): Message | null {
  const { problems } = lang === undefined ? language.strings : catalogueFor(lang);
  return typeof code === "string" && Object.hasOwn(problems, code) ? problems[code as ErrorCode] : null;
}
