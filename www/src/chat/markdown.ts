/** Model output as safe HTML: whatever a model writes, nothing in it runs, loads or looks like the page. */
import DOMPurify from "dompurify";
import { Marked } from "marked";

/** What an answer can be made of. No images or forms, nothing with a style or a class of the page. */
const ALLOWED = {
  ALLOWED_TAGS: [
    "p", "br", "hr", "h3", "h4", "h5", "h6", "strong", "em", "del", "code", "pre", "blockquote",
    "ul", "ol", "li", "table", "thead", "tbody", "tr", "th", "td", "a", "sup", "sub",
  ],
  ALLOWED_ATTR: ["href", "start", "align"],
  ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
};

const marked = new Marked({
  gfm: true,
  breaks: true,
  async: false,
  // The page has headings of its own above: an answer's begin below them.
  walkTokens: (token) => {
    if (token.type === "heading") token["depth"] = Math.min(6, Number(token["depth"]) + 2);
  },
});

const purify = DOMPurify();
purify.addHook("afterSanitizeAttributes", (node) => {
  if (node.nodeName !== "A") return;
  node.setAttribute("target", "_blank");
  node.setAttribute("rel", "noopener noreferrer nofollow");
});

export function markdown(text: string): DocumentFragment {
  return purify.sanitize(marked.parse(text) as string, { ...ALLOWED, RETURN_DOM_FRAGMENT: true });
}
