import { css } from "lit";

/**
 * One sheet for all parts. Apps set `--keyferry-accent`, `--keyferry-on-accent`,
 * `--keyferry-radius` and `--keyferry-font`, or style `::part(…)`. Colours keep
 * WCAG AA contrast on every surface they are used on.
 */
export const styles = css`
  :host {
    --accent: var(--keyferry-accent, light-dark(#0b6b5e, #4fc3b0));
    --on-accent: var(--keyferry-on-accent, light-dark(#ffffff, #06231f));
    --radius: var(--keyferry-radius, 0.625rem);
    --card: light-dark(#ffffff, #1b2128);
    --field: light-dark(#ffffff, #12161b);
    --soft: light-dark(#f3f5f7, #12161b);
    --text: light-dark(#1a1f26, #e8ecf0);
    --muted: light-dark(#55606d, #a3aeba);
    --line: light-dark(#d9dee4, #2f3841);
    --line-strong: light-dark(#7d8895, #77838f);
    --danger: light-dark(#b3261e, #ff8a80);
    --danger-soft: light-dark(#fceceb, #3a1f1e);
    --good: light-dark(#146c43, #6fcf97);
    --warn: light-dark(#8a5200, #f2b65a);
    --warn-soft: light-dark(#fff4e0, #35290f);
    --focus: light-dark(#1d5fd0, #8ab4ff);
    display: block;
    color: var(--text);
    font: 100%/1.5 var(--keyferry-font, system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif);
    text-align: start;
  }
  :host([hidden]),
  [hidden] {
    display: none !important;
  }
  *,
  *::before,
  *::after {
    box-sizing: border-box;
  }
  h1,
  h2,
  h3,
  p,
  ul,
  dl,
  dd {
    margin: 0;
    padding: 0;
  }
  h1 {
    font-size: 1.375rem;
    line-height: 1.25;
    letter-spacing: -0.01em;
  }
  h2,
  summary {
    font-size: 1.0625rem;
    font-weight: 650;
    line-height: 1.35;
  }
  h3 {
    font-size: 1rem;
  }
  ul {
    list-style: none;
  }
  a {
    color: var(--accent);
    text-underline-offset: 0.15em;
  }
  code {
    font-family: ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, monospace;
    font-size: 0.9375em;
    direction: ltr;
    unicode-bidi: isolate;
    overflow-wrap: anywhere;
  }
  :focus-visible {
    outline: 2px solid var(--focus);
    outline-offset: 2px;
  }
  ::placeholder {
    color: var(--muted);
    opacity: 1;
  }
  :is(h1, h2):focus {
    outline: none;
  }
  button,
  input,
  select,
  textarea {
    font: inherit;
    color: inherit;
  }
  .card {
    display: grid;
    gap: 1rem;
    align-content: start;
    padding: 1.25rem;
    background: var(--card);
    border: 1px solid var(--line);
    border-radius: calc(var(--radius) * 1.4);
  }
  .stack {
    display: grid;
    gap: 0.75rem;
    min-width: 0;
  }
  .lead,
  .muted {
    color: var(--muted);
  }
  .lead {
    max-width: 60ch;
  }
  .row {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: 0.5rem 0.75rem;
  }
  .row > .grow {
    flex: 1 1 12rem;
    min-width: 0;
  }
  .quiet {
    position: absolute;
    width: 1px;
    height: 1px;
    margin: -1px;
    overflow: hidden;
    clip-path: inset(50%);
    white-space: nowrap;
  }
  .button {
    display: inline-flex;
    align-items: center;
    justify-content: center;
    min-height: 2.75rem;
    padding: 0.5rem 1.125rem;
    border: 1px solid var(--line-strong);
    border-radius: var(--radius);
    background: var(--card);
    font-weight: 600;
    cursor: pointer;
  }
  .button:hover {
    border-color: var(--text);
  }
  .button[aria-disabled="true"] {
    cursor: progress;
    opacity: 0.65;
  }
  .primary {
    border-color: transparent;
    background: var(--accent);
    color: var(--on-accent);
  }
  .danger {
    color: var(--danger);
    border-color: var(--danger);
  }
  .small {
    min-height: 2.25rem;
    padding: 0.25rem 0.75rem;
    font-size: 0.9375rem;
  }
  .link {
    padding-inline: 0.25rem;
    border-color: transparent;
    background: none;
    color: var(--accent);
    font-weight: 500;
    text-decoration: underline;
    text-underline-offset: 0.15em;
  }
  .field {
    display: grid;
    gap: 0.25rem;
    min-width: 0;
  }
  .field > label,
  .label {
    font-weight: 600;
    font-size: 0.9375rem;
  }
  .control {
    display: flex;
    gap: 0.5rem;
  }
  .control > input,
  .control > select,
  .control > textarea {
    flex: 1;
    width: 100%;
    min-width: 0;
    min-height: 2.75rem;
    padding: 0.5rem 0.75rem;
    border: 1px solid var(--line-strong);
    border-radius: var(--radius);
    background: var(--field);
  }
  .control > select {
    appearance: none;
    text-overflow: ellipsis;
    padding-inline-end: 2.25rem;
    background-image: linear-gradient(45deg, transparent 50%, currentcolor 50%),
      linear-gradient(-45deg, transparent 50%, currentcolor 50%);
    background-position:
      right 1.1rem center,
      right 0.8rem center;
    background-size: 0.32rem 0.32rem;
    background-repeat: no-repeat;
  }
  .control > select:dir(rtl) {
    background-position:
      left 0.8rem center,
      left 1.1rem center;
  }
  ::file-selector-button {
    margin-inline-end: 0.75rem;
    padding: 0.125rem 0.75rem;
    border: 1px solid var(--line-strong);
    border-radius: calc(var(--radius) * 0.7);
    background: var(--card);
    color: inherit;
    font: inherit;
    cursor: pointer;
  }
  .control > [aria-invalid="true"] {
    border-color: var(--danger);
  }
  .control > .button {
    flex: none;
  }
  /* One line is reserved, so that a hint or an error coming and going moves nothing. */
  .note {
    min-height: 1.3125rem;
    font-size: 0.875rem;
    color: var(--muted);
  }
  .note.error {
    color: var(--danger);
    font-weight: 500;
  }
  .tick {
    display: flex;
    align-items: start;
    gap: 0.625rem;
    font-weight: 600;
  }
  .tick input {
    flex: none;
    width: 1.25rem;
    height: 1.25rem;
    margin: 0.125rem 0 0;
    accent-color: var(--accent);
  }
  .problem {
    display: grid;
    gap: 0.25rem;
    padding: 0.75rem 1rem;
    border-inline-start: 4px solid var(--danger);
    border-radius: 0.375rem;
    background: var(--danger-soft);
    overflow-wrap: anywhere;
  }
  .problem strong {
    font-weight: 600;
  }
  .notice {
    padding: 0.75rem 1rem;
    border-radius: 0.375rem;
    border-inline-start: 4px solid var(--warn);
    background: var(--warn-soft);
  }
  .good {
    color: var(--good);
  }
  .bad {
    color: var(--danger);
  }
  details,
  details.card {
    display: block;
    min-width: 0;
  }
  details.card {
    padding-block: 0.75rem;
  }
  summary {
    cursor: pointer;
    padding-block: 0.5rem;
    border-radius: 0.25rem;
  }
  details > :not(summary) {
    padding-block: 0.5rem;
  }
  table {
    width: 100%;
    border-collapse: collapse;
    font-size: 0.9375rem;
    font-variant-numeric: tabular-nums;
  }
  th,
  td {
    padding: 0.375rem 0.5rem;
    border-block-end: 1px solid var(--line);
    text-align: start;
    vertical-align: top;
  }
  .scroll {
    overflow-x: auto;
  }
  @media (prefers-reduced-motion: reduce) {
    * {
      animation: none !important;
      transition: none !important;
    }
  }
`;
