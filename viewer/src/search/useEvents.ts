/** The events of a search, page after page by cursor: older ones at the end, newer ones at the front. */
import { type InfiniteData, type QueryClient, useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useMemo } from "react";
import { isAhead } from "../api/ahead";
import { address, ask } from "../api/client";
import type { LogEvent, SearchAnswer } from "../api/types";
import { firstPage, SEARCH_PATH, type Wanted } from "./wanted";

const PAGE_EVENTS = 1000;
export const EVENTS_MAX = 100_000; // in one page of a browser; beyond that a query is narrowed down

/** Which page: the first, the one after a cursor, or what came since. */
type Place = { kind: "first" } | { kind: "next"; cursor: string } | { kind: "newer" };

const FIRST: Place = { kind: "first" };
const NEWER: Place = { kind: "newer" };

type Data = InfiniteData<SearchAnswer, Place>;

export function eventsKey(wanted: Wanted) {
  return ["events", wanted.query, wanted.from, wanted.to, wanted.order, wanted.run] as const;
}

/** Puts events that `src/ahead.ts` asked for where the page looks, so that they stand in its first rendering. */
export async function takeFirstEvents(client: QueryClient, state: Omit<Wanted, "run">): Promise<void> {
  if (!isAhead(address(SEARCH_PATH, firstPage(state)))) return;
  const wanted = { ...state, run: 0 };
  await client.prefetchInfiniteQuery({
    queryKey: eventsKey(wanted),
    initialPageParam: FIRST,
    getNextPageParam: nextPlace,
    queryFn: ({ signal }) => readPage(wanted, FIRST, signal),
    staleTime: Number.POSITIVE_INFINITY,
  });
}

export function useEvents(wanted: Wanted, enabled: boolean) {
  const client = useQueryClient();
  const { query, from, to, order, run } = wanted;
  const key = useMemo(() => eventsKey({ query, from, to, order, run }), [query, from, to, order, run]);
  const grows = order === "desc" && to === "" && !/\|/.test(query);
  const found = useInfiniteQuery<SearchAnswer, Error, Data, typeof key, Place>({
    queryKey: key,
    enabled,
    initialPageParam: FIRST,
    queryFn: ({ pageParam, signal }) => {
      if (pageParam.kind !== "newer") return readPage(wanted, pageParam, signal);
      return newer(wanted, client.getQueryData<Data>(key)?.pages ?? [], signal);
    },
    getNextPageParam: nextPlace,
    getPreviousPageParam: (first) => (grows && first.events.length > 0 ? NEWER : undefined),
    staleTime: Number.POSITIVE_INFINITY,
    // Not compared field by field, as the library would: a page at the front moves all others by one place.
    structuralSharing: (before, after) => merged(before as Data | undefined, after as Data),
  });
  const events = useMemo(() => joined(found.data?.pages ?? []), [found.data]);
  const cancel = useCallback(() => client.cancelQueries({ queryKey: key }), [client, key]);
  const { fetchPreviousPage } = found;
  const fetchNewer = useCallback(async () => {
    const before = client.getQueryData(key);
    await fetchPreviousPage();
    if (client.getQueryData(key) === before) return;
    // What is counted beside the rows has grown too.
    for (const counted of ["histogram", "facets"]) void client.invalidateQueries({ queryKey: [counted] });
  }, [client, key, fetchPreviousPage]);
  return { ...found, events, cancel, fetchNewer, isFull: events.length >= EVENTS_MAX };
}

function nextPlace(last: SearchAnswer): Place | undefined {
  return last.next ? { kind: "next", cursor: last.next } : undefined;
}

async function readPage(wanted: Wanted, place: Place, signal: AbortSignal): Promise<SearchAnswer> {
  const first = firstPage(wanted);
  const asked = place.kind === "next" ? { ...first, limit: PAGE_EVENTS, cursor: place.cursor } : first;
  return ask<SearchAnswer>(SEARCH_PATH, asked, signal);
}

type Page = Pick<SearchAnswer, "events">;

/** What came since those of `pages`: asked for from the old end, so that nothing in between is left out. */
export async function newer(
  { query }: Pick<Wanted, "query">,
  pages: readonly Page[],
  signal: AbortSignal,
): Promise<SearchAnswer> {
  const { after, known } = edgeOf(pages);
  const parameters = { query, from: after, order: "asc", limit: PAGE_EVENTS };
  let answer = await ask<SearchAnswer>(SEARCH_PATH, parameters, signal);
  const fresh = () => answer.events.filter(({ id }) => !known.has(id)).reverse();
  while (answer.next && fresh().length === 0)
    answer = await ask<SearchAnswer>(SEARCH_PATH, { ...parameters, cursor: answer.next }, signal);
  return { ...answer, events: fresh(), next: null };
}

/**
 * From when on there may be more than the pages have, and which of them are of that time. It is the newest event's time;
 * or when the last one was received, where a sender's clock is ahead: what comes after it is not of later times.
 */
function edgeOf(pages: readonly Page[]): { after: string; known: Set<string> } {
  let received = "";
  for (const event of pages[0]?.events ?? []) if (event.received > received) received = event.received;
  const newest = pages[0]?.events[0]?.time ?? "";
  const after = received < newest ? received : newest; // texts of nine digits, which sort as times do
  const known = new Set<string>();
  for (const { events } of pages)
    for (const { id, time } of events) {
      if (time < after) return { after, known };
      known.add(id);
    }
  return { after, known };
}

/** A page at the front becomes part of the first one, in order of time; without an event the list stays what it was. */
export function merged<T extends { pages: Page[]; pageParams: unknown[] }>(before: T | undefined, after: T): T {
  const [front, first, ...rest] = after.pages;
  if (!before || !front || first === undefined || first !== before.pages[0]) return after;
  if (front.events.length === 0) return before;
  const events = [...front.events, ...first.events];
  const isInOrder = front.events.at(-1)!.time >= (first.events[0]?.time ?? "");
  if (!isInOrder) events.sort((a, b) => (a.time < b.time ? 1 : a.time > b.time ? -1 : 0));
  return { ...after, pages: [{ ...first, events }, ...rest], pageParams: after.pageParams.slice(1) };
}

/** One list. */
export function joined(pages: readonly Page[]): LogEvent[] {
  return pages.length === 1 ? pages[0]!.events : pages.flatMap(({ events }) => events);
}
