/** What is asked for a search; without anything of the page, so that it can be asked before there is one. */
import type { Parameters } from "../api/client";

const FIRST_EVENTS = 200; // soon on the screen

export interface Wanted {
  query: string;
  from: string;
  to: string;
  order: "desc" | "asc";
  /** Another number asks again. */
  run: number;
}

export const SEARCH_PATH = "/api/v1/search";

/** The first events of a search. */
export function firstPage({ query, from, to, order }: Omit<Wanted, "run">): Parameters {
  return { query, from, to, order, limit: FIRST_EVENTS };
}
