import { expect, test } from "vitest";
import { stacked, withoutFuture } from "./stack";

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

test("what has not begun and has no event is left out, an event whose clock is ahead is not", () => {
  const bucket = (minute: number, total: number) => ({ start: `2026-08-01T10:0${minute}:00Z`, total, counts: {} });
  const now = Date.parse("2026-08-01T10:02:30Z");
  const begun = [bucket(1, 0), bucket(2, 0)];
  expect(withoutFuture([...begun, bucket(3, 0), bucket(4, 0)], now)).toEqual(begun);
  const ahead = [...begun, bucket(3, 0), bucket(4, 1)];
  expect(withoutFuture([...ahead, bucket(5, 0)], now)).toEqual(ahead);
  expect(withoutFuture([bucket(5, 0)], now)).toEqual([]);
});
