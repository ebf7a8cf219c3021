import { THEME, type Appearance } from "./protocol.js";

/** How the page looks where `element` is. */
export function appearanceAt(element: Element): Appearance {
  const style = getComputedStyle(element);
  const theme: Appearance["theme"] = {};
  for (const property of THEME) {
    const value = style.getPropertyValue(property).trim();
    if (value) theme[property] = value;
  }
  return {
    lang: element.closest("[lang]")?.getAttribute("lang") || navigator.language,
    dir: style.direction === "rtl" ? "rtl" : "ltr",
    scheme: schemeOf(style),
    theme,
  };
}

/** What `color-scheme` comes to here: `dark` alone, `light` alone, or the person's choice where both are allowed. */
function schemeOf(style: CSSStyleDeclaration): Appearance["scheme"] {
  const allowed = style.colorScheme.split(" ");
  if (!allowed.includes("dark")) return "light";
  if (!allowed.includes("light")) return "dark";
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}
