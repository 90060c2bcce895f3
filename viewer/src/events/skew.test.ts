import { expect, test } from "vitest";
import type { LogEvent } from "../api/types";
import { areLate, skewOf } from "./skew";

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

test("late is no news where most are", () => {
  expect(areLate([])).toBe(false);
  expect(areLate([LATE, ON_TIME, ON_TIME])).toBe(false);
  expect(areLate([LATE, LATE, ON_TIME])).toBe(true);
});
