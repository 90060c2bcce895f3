import { useInfiniteQuery } from "@tanstack/react-query";
import { ask } from "../api/client";
import type { ActivityAnswer, Cost, DeviceAnswer } from "../api/types";

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
  /** Of devices: what they told. */
  where?: string;
  limit?: number;
}

/** registered, remote: of devices. first, last: null of a device that told of itself and sent no event. */
export type Row = Omit<ActivityAnswer, "first" | "last"> &
  Pick<DeviceAnswer, "first" | "last"> &
  Partial<Pick<DeviceAnswer, "registered" | "remote">>;

type Page = Cost & { next: string | null } & Partial<Record<Plural, Row[]>>;

/** Sessions, devices or users by last activity, a page at a time. */
export function useActivity(of: Plural, wanted: ActivityWanted, enabled = true) {
  const found = useInfiniteQuery({
    queryKey: ["activity", of, wanted],
    enabled,
    initialPageParam: null as string | null,
    queryFn: ({ pageParam, signal }) =>
      ask<Page>(`/api/v1/${of}`, { limit: 100, ...wanted, cursor: pageParam }, signal),
    getNextPageParam: (last) => last.next,
    placeholderData: (before) => before,
  });
  return { ...found, rows: found.data?.pages.flatMap((page) => page[of] ?? []), cost: found.data?.pages[0] };
}
