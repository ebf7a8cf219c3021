/** From the panel's edge to the window's, in pixels. */
const MARGIN = 8;
/** At most, and what it gets below `anchor` before it goes where there is more. */
const HEIGHT = 480;
const ENOUGH = 320;
/** At least, where the window has that much. */
const WIDTH = 448;

/** Puts a fixed panel above or below `anchor`, where there is more room; browsers differ too much in anchoring. */
export function placeBeside(panel: HTMLElement, anchor: HTMLElement): void {
  const at = anchor.getBoundingClientRect();
  const root = document.documentElement;
  const { clientWidth, clientHeight } = root;
  // Space kept for a scroll bar counts as the window's but shows nothing.
  const room = Math.min(clientWidth, root.getBoundingClientRect().width);
  const below = clientHeight - at.bottom - 2 * MARGIN;
  const above = at.top - 2 * MARGIN;
  const under = below >= Math.min(ENOUGH, above);
  const width = Math.min(Math.max(at.width, WIDTH), room - 2 * MARGIN);
  const start = getComputedStyle(anchor).direction === "rtl" ? at.right - width : at.left;
  panel.style.width = `${width}px`;
  panel.style.left = `${Math.min(Math.max(start, MARGIN), room - width - MARGIN)}px`;
  panel.style.maxHeight = `${Math.min(under ? below : above, HEIGHT)}px`;
  panel.style.top = under ? `${at.bottom + MARGIN / 2}px` : "auto";
  panel.style.bottom = under ? "auto" : `${clientHeight - at.top + MARGIN / 2}px`;
}
