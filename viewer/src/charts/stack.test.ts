import { expect, test } from "vitest";
import { stacked } from "./stack";

test("groups are summed from the bottom, known ones in their order, unknown ones after them", () => {
  const start = "2026-08-01T10:00:00Z";
  const buckets = [
    { start, total: 6, counts: { info: 3, error: 1, odd: 2 } },
    { start, total: 0, counts: {} },
  ];
  const stack = stacked(buckets, ["error", "warn", "info"]);
  expect(stack.groups).toEqual(["error", "info", "odd"]);
  expect(stack.sums).toEqual([
    [1, 0],
    [4, 0],
    [6, 0],
  ]);
});
