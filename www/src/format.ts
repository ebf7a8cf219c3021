/** Numbers, money and names as the page's language writes them. */
import { language } from "./language";

/** Small amounts keep two digits that say something: $0.00012. */
export function money(usd: number): string {
  return usd.toLocaleString(language, { style: "currency", currency: "USD", maximumSignificantDigits: 2 });
}

export function count(value: number): string {
  return value.toLocaleString(language);
}

export function percent(part: number): string {
  return part.toLocaleString(language, { style: "percent", maximumFractionDigits: 0 });
}

/** Somebody's own words within a sentence of either direction, which order nothing around them. */
export function isolated(words: string): string {
  return `\u2068${words}\u2069`;
}

const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte"] as const;

export function fileSize(bytes: number): string {
  const step = Math.min(UNITS.length - 1, bytes < 1000 ? 0 : Math.floor(Math.log10(bytes) / 3));
  const unit = UNITS[step] ?? "byte";
  return (bytes / 1000 ** step).toLocaleString(language, { style: "unit", unit, unitDisplay: "short", maximumFractionDigits: step > 1 ? 1 : 0 });
}
