/** Which patterns are worth a look. Pure. */
import type { PatternAnswer } from "../api/types";

export type Order = "count" | "new" | "grew";

export const ORDERS: readonly (readonly [Order, string])[] = [
  ["count", "most frequent"],
  ["new", "new"],
  ["grew", "grew"],
];

/** Times as many as in the range before; null when that is not known, or there was nothing. */
export function growth({ count, before }: Pick<PatternAnswer, "count" | "before">): number | null {
  return before ? count / before : null;
}

const GREW_TIMES = 1.5;

export function ordered(patterns: readonly PatternAnswer[], order: Order): PatternAnswer[] {
  if (order === "new") return patterns.filter((each) => each.new);
  if (order === "grew")
    return patterns
      .filter((each) => (growth(each) ?? 0) >= GREW_TIMES)
      .sort((a, b) => (growth(b) ?? 0) - (growth(a) ?? 0));
  return [...patterns];
}
