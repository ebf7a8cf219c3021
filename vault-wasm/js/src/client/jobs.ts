import type { Jobs } from "../jobs/types.js";
import type { Link } from "./link.js";

/** The way to the relay. */
export interface JobsBase {
  readonly link: Link;
  /** The relay's base URL. */
  readonly relay: string;
}

/** Most apps have no jobs: what they take is loaded with the first of them. */
const load = () => import("../jobs/index.js");

/** `vault.jobs` */
export function jobsOf(link: Link, relay: string): Jobs {
  const base: JobsBase = { link, relay };
  return {
    create: async (request, options) => (await load()).create(base, request, options),
    get: async (handle) => (await load()).get(base, handle),
    cancel: async (handle) => (await load()).cancel(base, handle),
    async *events(handle, options) {
      yield* (await load()).events(base, handle, options);
    },
  };
}
