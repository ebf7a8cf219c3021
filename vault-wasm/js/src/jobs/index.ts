/** What `vault.jobs` does, loaded when it is first asked for something. */
export { create } from "./create.js";
export { events } from "./events.js";
export { cancel, get } from "./manage.js";
