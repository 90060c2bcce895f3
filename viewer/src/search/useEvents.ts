/** The events of a search, page after page by cursor: older ones at the end, newer ones at the front. */
import { type InfiniteData, type QueryClient, useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useMemo } from "react";
import { isAhead } from "../api/ahead";
import { address, ask } from "../api/client";
import type { LogEvent, SearchAnswer } from "../api/types";
import { firstPage, SEARCH_PATH, type Wanted } from "./wanted";

const PAGE_EVENTS = 1000;
export const EVENTS_MAX = 100_000; // in one page of a browser; beyond that a query is narrowed down

/** Which page: the first, the one after a cursor, or what came since the newest event. */
type Place = { kind: "first" } | { kind: "next"; cursor: string } | { kind: "newer"; after: string };

const FIRST: Place = { kind: "first" };

export function eventsKey(wanted: Wanted) {
  return ["events", wanted.query, wanted.from, wanted.to, wanted.order, wanted.run] as const;
}

const AHEAD_MS = 300; // worth a wait: to draw the page without its rows first takes as long

/** Puts events that `src/ahead.ts` asked for where the page looks, so that they stand in its first rendering. */
export async function takeFirstEvents(client: QueryClient, state: Omit<Wanted, "run">): Promise<void> {
  if (!isAhead(address(SEARCH_PATH, firstPage(state)))) return;
  const wanted = { ...state, run: 0 };
  const taken = client.prefetchInfiniteQuery({
    queryKey: eventsKey(wanted),
    initialPageParam: FIRST,
    getNextPageParam: nextPlace,
    queryFn: ({ signal }) => readPage(wanted, FIRST, signal),
    staleTime: Number.POSITIVE_INFINITY,
  });
  await Promise.race([taken, new Promise((resolve) => setTimeout(resolve, AHEAD_MS))]);
}

export function useEvents(wanted: Wanted, enabled: boolean) {
  const client = useQueryClient();
  const { query, from, to, order, run } = wanted;
  const key = useMemo(() => eventsKey({ query, from, to, order, run }), [query, from, to, order, run]);
  const grows = order === "desc" && to === "" && !/\|/.test(query);
  const found = useInfiniteQuery<SearchAnswer, Error, InfiniteData<SearchAnswer, Place>, typeof key, Place>({
    queryKey: key,
    enabled,
    initialPageParam: FIRST,
    queryFn: ({ pageParam, signal }) => readPage(wanted, pageParam, signal),
    getNextPageParam: nextPlace,
    getPreviousPageParam: (first) => {
      const newest = first.events[0];
      return grows && newest ? { kind: "newer", after: newest.time } : undefined;
    },
    staleTime: Number.POSITIVE_INFINITY,
    // Not compared field by field, as the library would: a page at the front moves all others by one place.
    structuralSharing: (before, after) => (bringsNothing(before as Pages, after as Pages) ? before : after),
  });
  const events = useMemo(() => joined(found.data?.pages ?? []), [found.data]);
  const cancel = useCallback(() => client.cancelQueries({ queryKey: key }), [client, key]);
  return { ...found, events, cancel, isFull: events.length >= EVENTS_MAX };
}

type Pages = Pick<InfiniteData<{ events: LogEvent[] }>, "pages"> | undefined;

/** A page at the front that only has events of the page before it: the list stays what it was. */
export function bringsNothing(before: Pages, after: Pages): boolean {
  const [front, second] = after?.pages ?? [];
  if (!before || !front || second === undefined || second !== before.pages[0]) return false;
  const known = new Set(second.events.map(({ id }) => id));
  return front.events.every(({ id }) => known.has(id));
}

function nextPlace(last: SearchAnswer): Place | undefined {
  return last.next ? { kind: "next", cursor: last.next } : undefined;
}

async function readPage(wanted: Wanted, place: Place, signal: AbortSignal): Promise<SearchAnswer> {
  if (place.kind === "newer") return newer(wanted, place.after, signal);
  const first = firstPage(wanted);
  const asked = place.kind === "first" ? first : { ...first, limit: PAGE_EVENTS, cursor: place.cursor };
  return ask<SearchAnswer>(SEARCH_PATH, asked, signal);
}

/** What came since: asked for from the old end, so that nothing in between is left out. */
async function newer({ query }: Wanted, after: string, signal: AbortSignal): Promise<SearchAnswer> {
  const parameters = { query, from: after, order: "asc", limit: PAGE_EVENTS };
  const answer = await ask<SearchAnswer>(SEARCH_PATH, parameters, signal);
  return { ...answer, events: answer.events.toReversed(), next: null };
}

/** One list. Newer ones overlap by a moment with those after them: an event that both have stands there once. */
export function joined(pages: readonly { events: LogEvent[] }[]): LogEvent[] {
  if (pages.length === 1) return pages[0]!.events;
  const parts: LogEvent[][] = [];
  for (const { events } of pages) {
    const before = parts[parts.length - 1];
    const fresh = before ? withoutThose(before, events) : events;
    if (fresh.length) parts.push(fresh);
  }
  return parts.flat();
}

/** `events` but for those of its first moment that stand at the end of `before`: pages overlap nowhere else. */
function withoutThose(before: readonly LogEvent[], events: LogEvent[]): LogEvent[] {
  const moment = events[0]?.time;
  const known = new Set<string>();
  for (let at = before.length - 1; at >= 0 && before[at]!.time === moment; at -= 1) known.add(before[at]!.id);
  return known.size ? events.filter(({ id, time }) => time !== moment || !known.has(id)) : events;
}
