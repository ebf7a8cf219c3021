/** What a page needs to use a vault in a frame, loaded when there is one. */
export { FrameLink } from "./link.js";
export { FrameUi } from "./ui.js";
