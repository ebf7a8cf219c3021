import { language } from "../../elements/strings/index.js";
import { THEME, type Appearance } from "../protocol.js";

/** What each theme property may hold. A `url()` would be fetched, a `var()` mean something else here. */
const SYNTAX: { readonly [property: string]: (value: string) => boolean } = {
  "--keyferry-accent": (value) => CSS.supports("color", value),
  "--keyferry-on-accent": (value) => CSS.supports("color", value),
  "--keyferry-radius": (value) => CSS.supports("border-radius", value),
  "--keyferry-font": (value) => CSS.supports("font-family", value),
};

/** Takes on the look the app asks for, as far as it is one. */
export function apply(appearance: Partial<Appearance> | undefined): void {
  const { lang, scheme, theme } = appearance ?? {};
  const root = document.documentElement;
  if (typeof lang === "string") language.choose(lang);
  root.lang = language.tag;
  root.dir = language.direction;
  if (scheme === "light" || scheme === "dark") root.style.colorScheme = scheme;
  for (const property of THEME) {
    const value = theme?.[property];
    const fits = typeof value === "string" && value.length < 200 && !/[(]\s*url|url\s*[(]|var\s*[(]/i.test(value) && SYNTAX[property]?.(value);
    if (fits) root.style.setProperty(property, value);
    else root.style.removeProperty(property);
  }
}
