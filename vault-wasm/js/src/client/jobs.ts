import type { Jobs } from "../jobs/types.js";
import type { Link } from "./link.js";
import { toResponse } from "./response.js";
import { until } from "./until.js";

/** What the jobs' code works with. Given to it, so that it brings nothing of its own that is loaded already. */
export interface JobsBase {
  readonly link: Link;
  /** Base URL. */
  readonly relay: string;
  readonly toResponse: typeof toResponse;
  readonly until: typeof until;
}

/** Most apps have no jobs: what they take is loaded with the first of them. */
const load = () => import("../jobs/index.js");

/** `vault.jobs` */
export function jobsOf(link: Link, relay: string): Jobs {
  const base: JobsBase = { link, relay, toResponse, until };
  return {
    create: async (request, options) => (await load()).create(base, request, options),
    get: async (handle) => (await load()).get(base, handle),
    cancel: async (handle) => (await load()).cancel(base, handle),
    async *events(handle, options) {
      yield* (await load()).events(base, handle, options);
    },
  };
}
