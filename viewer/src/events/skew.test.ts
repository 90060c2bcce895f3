import { expect, test } from "vitest";
import type { LogEvent } from "../api/types";
import { commonSkew, skewOf } from "./skew";

const event = (time: string, attributes?: Record<string, string>) =>
  ({ time, received: "2026-08-01T10:00:00.000Z", attributes }) as unknown as LogEvent;
const ON_TIME = event("2026-08-01T09:59:01.000Z");
const LATE = event("2026-08-01T07:00:00.000Z");

test("a clock that is ahead, an event that came late and a time that cannot be are told apart", () => {
  expect(skewOf(ON_TIME)).toBeNull();
  expect(skewOf(event("2026-08-01T10:04:00.000Z"))).toMatchObject({ kind: "ahead", short: "clock +4\u202fm" });
  expect(skewOf(LATE)).toMatchObject({ kind: "late", short: "late 3\u202fh" });
  expect(skewOf(event("2026-08-01T10:00:00.000Z", { sent_time: "1999" }))?.text).toContain("was 1999:");
  const epoch = skewOf(event("2026-08-01T10:00:00.000Z", { sent_time: "1765364683000000000" }));
  expect(epoch?.text).toContain("was 2025-12-10T11:04:43.000Z:");
});

const AHEAD = event("2026-08-01T10:04:00.000Z");
const CORRECTED = event("2026-08-01T10:00:00.000Z", { sent_time: "1999" });
const many = (count: number, one: LogEvent) => Array.from({ length: count }, () => one);

test("late is no news where most are", () => {
  expect(commonSkew([])).toBeNull();
  expect(commonSkew([LATE, ON_TIME, ON_TIME])).toBeNull();
  expect(commonSkew([LATE, LATE, ON_TIME])).toBe("late");
});

test("clocks that are off are common where more than half are, and not in a few rows", () => {
  expect(commonSkew([...many(5, CORRECTED), ...many(4, ON_TIME)])).toBe("corrected");
  expect(commonSkew([...many(5, AHEAD), ...many(4, CORRECTED)])).toBe("ahead");
  expect(commonSkew([...many(4, AHEAD), ...many(4, ON_TIME)])).toBeNull();
  expect(commonSkew(many(3, CORRECTED))).toBeNull();
});

test("what was common is so while the list goes on, until hardly any have it", () => {
  const third = [...many(30, AHEAD), ...many(60, ON_TIME)];
  expect([commonSkew(third), commonSkew(third, "ahead"), commonSkew(third, "corrected")]).toEqual([
    null,
    "ahead",
    null,
  ]);
  expect(commonSkew([...many(15, AHEAD), ...many(60, ON_TIME)], "ahead")).toBeNull();
});
