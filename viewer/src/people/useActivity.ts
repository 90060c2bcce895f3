import { useInfiniteQuery } from "@tanstack/react-query";
import { ask } from "../api/client";
import type { ActivityAnswer, Cost } from "../api/types";

export type Plural = "sessions" | "devices" | "users";
export type Singular = "session" | "device" | "user";
export const SINGULAR = { sessions: "session", devices: "device", users: "user" } as const;

export interface ActivityWanted {
  query?: string;
  from?: string;
  to?: string;
  user?: string;
  device?: string;
  q?: string;
  limit?: number;
}

type Page = Cost & { next: string | null } & Partial<Record<Plural, ActivityAnswer[]>>;

/** Sessions, devices or users by last activity, a page at a time. */
export function useActivity(of: Plural, wanted: ActivityWanted) {
  const found = useInfiniteQuery({
    queryKey: ["activity", of, wanted],
    initialPageParam: null as string | null,
    queryFn: ({ pageParam, signal }) =>
      ask<Page>(`/api/v1/${of}`, { limit: 100, ...wanted, cursor: pageParam }, signal),
    getNextPageParam: (last) => last.next,
    placeholderData: (before) => before,
  });
  return { ...found, rows: found.data?.pages.flatMap((page) => page[of] ?? []), cost: found.data?.pages[0] };
}
