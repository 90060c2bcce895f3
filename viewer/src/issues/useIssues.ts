import { useInfiniteQuery } from "@tanstack/react-query";
import { ask } from "../api/client";
import type { IssuesAnswer } from "../api/types";

export interface IssuesWanted {
  text?: string;
  kind?: string;
  /** Several with commas, "" for all. */
  status?: string;
  version?: string;
  session?: string;
  device?: string;
  user?: string;
  sort?: string;
  limit?: number;
}

/** Issues, the latest first unless `sort` says otherwise, a page at a time. */
export function useIssues(wanted: IssuesWanted) {
  const found = useInfiniteQuery({
    queryKey: ["issues", wanted],
    initialPageParam: null as string | null,
    queryFn: ({ pageParam, signal }) =>
      ask<IssuesAnswer>("/api/v1/issues", { limit: 50, ...wanted, cursor: pageParam }, signal),
    getNextPageParam: (last) => last.next,
    placeholderData: (before) => before,
  });
  return { ...found, issues: found.data?.pages.flatMap((page) => page.issues) };
}
