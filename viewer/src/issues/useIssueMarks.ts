import { useQuery } from "@tanstack/react-query";
import { ask } from "../api/client";
import type { StatsAnswer } from "../api/types";
import { issueHref, issuesOfHref, KINDS, type Kind } from "./links";

type Of = "session" | "device" | "user";

export interface Mark {
  /** How many of each kind, in the range. */
  kinds: Partial<Record<Kind, number>>;
  /** To the issue where there is one only, else to the list of them. */
  href: string;
}

const TOLD = `(${KINDS.map((kind) => `key=${kind}`).join(" or ")}) attributes.issue:*`;

/** Whose sessions, devices or users were met by issues in a range: by name. One question for a whole list. */
export function useIssueMarks(
  of: Of,
  wanted: { query?: string; from?: string; to?: string },
): ReadonlyMap<string, Mark> {
  const query = `${TOLD} ${wanted.query ?? ""} | count by ${of}, key, attributes.issue`;
  const { data } = useQuery({
    queryKey: ["issue marks", query, wanted.from, wanted.to],
    queryFn: ({ signal }) => ask<StatsAnswer>("/api/v1/stats", { query, from: wanted.from, to: wanted.to }, signal),
    placeholderData: (before) => before,
  });
  return marksOf(of, data?.rows ?? []);
}

/** Rows of name, key, issue and count. */
export function marksOf(of: Of, rows: readonly unknown[][]): Map<string, Mark> {
  const marks = new Map<string, Mark>();
  for (const [name, key, issue, count] of rows as [string, Kind, string, number][]) {
    if (!name) continue;
    const known = marks.get(name);
    const kinds = { ...known?.kinds, [key]: (known?.kinds[key] ?? 0) + count };
    const isOne = !known || known.href === issueHref(issue);
    marks.set(name, { kinds, href: isOne ? issueHref(issue) : issuesOfHref(of, name) });
  }
  return marks;
}
