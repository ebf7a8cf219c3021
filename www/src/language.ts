/** Which of its languages the page speaks: chosen on the page, named in its address, or the browser's. */

export const LANGUAGES = { en: "English", de: "Deutsch", ar: "العربية" } as const;

export type LanguageCode = keyof typeof LANGUAGES;

const KEPT = "keyferry.page.language";

export const language: LanguageCode = choose();

/** Tells the document, before anything in it reads its language. */
export function applyLanguage(): void {
  document.documentElement.lang = language;
  document.documentElement.dir = language === "ar" ? "rtl" : "ltr";
}

/** Keeps the choice and starts the page again in that language; the vault stays open meanwhile. */
export function changeLanguage(code: string): void {
  if (!isKnown(code)) return;
  try {
    localStorage.setItem(KEPT, code);
  } catch {
    // Storage is refused in some private windows: the address then carries the choice.
  }
  const url = new URL(location.href);
  url.searchParams.set("lang", code);
  location.replace(url);
  // A fragment that stays the same would only scroll.
  location.reload();
}

function choose(): LanguageCode {
  if (typeof document === "undefined") return "en";
  const asked = new URLSearchParams(location.search).get("lang");
  const wanted = [asked, kept(), ...navigator.languages].map((tag) => tag?.toLowerCase().split("-")[0]);
  return wanted.find(isKnown) ?? "en";
}

function kept(): string | null {
  try {
    return localStorage.getItem(KEPT);
  } catch {
    return null;
  }
}

function isKnown(code: string | undefined): code is LanguageCode {
  return code !== undefined && Object.hasOwn(LANGUAGES, code);
}
