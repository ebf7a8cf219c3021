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
    lang: languageAt(element),
    dir: style.direction === "rtl" ? "rtl" : "ltr",
    scheme: schemeAt(element),
    theme,
  };
}

/** The nearest `lang`, also beyond shadow roots. */
function languageAt(element: Element): string {
  const lang = element.closest("[lang]")?.getAttribute("lang");
  if (lang) return lang;
  const root = element.getRootNode();
  return root instanceof ShadowRoot ? languageAt(root.host) : navigator.language;
}

/** Asked of the browser by a colour: `color-scheme` can come from a meta tag, which no computed style shows. */
function schemeAt(element: Element): Appearance["scheme"] {
  const probe = document.createElement("span");
  probe.hidden = true;
  probe.style.color = "light-dark(#000, #fff)";
  element.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color === "rgb(255, 255, 255)" ? "dark" : "light";
}
