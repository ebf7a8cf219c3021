import { language } from "./strings/index.js";

/** Has the elements speak the document's language, also when it changes. */
export function followDocumentLanguage(): void {
  const root = document.documentElement;
  const choose = () => language.choose(root.lang || navigator.language);
  new MutationObserver(choose).observe(root, { attributes: true, attributeFilter: ["lang"] });
  choose();
}
