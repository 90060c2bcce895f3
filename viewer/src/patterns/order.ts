/** Which patterns are worth a look. Pure. */
import type { PatternAnswer } from "../api/types";

export type Order = "count" | "new" | "grew";

export const ORDERS: readonly (readonly [Order, string])[] = [
  ["count", "most frequent"],
  ["new", "new"],
  ["grew", "grew"],
];

/** Times as many as in the range before, for ever as many where there was nothing; null when that is not known. */
export function growth({ count, before }: Pick<PatternAnswer, "count" | "before">): number | null {
  return before === null ? null : count / before;
}

export const GREW_TIMES = 1.5;

export function ordered(patterns: readonly PatternAnswer[], order: Order): PatternAnswer[] {
  if (order === "new") return patterns.filter((each) => each.new);
  if (order === "grew")
    return patterns
      .filter((each) => !each.new && (growth(each) ?? 0) >= GREW_TIMES)
      .sort((a, b) => b.count * (a.before ?? 0) - a.count * (b.before ?? 0) || b.count - a.count);
  return [...patterns];
}
