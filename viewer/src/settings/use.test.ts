import { expect, test } from "vitest";
import type { Limits } from "./types";
import { amount, daysText, erases, filled, isLimited, typed } from "./use";

test("what was taken comes back within a day", () => {
  expect(filled({ used: 600, limit: 1000, left: 500 })).toEqual({ part: 0.5, fullInMs: 43_200_000 });
  expect(filled({ used: 0, limit: 1000, left: 1000 })).toEqual({ part: 0, fullInMs: 0 });
  expect(filled({ used: 9, limit: 10, left: -3 })).toMatchObject({ part: 1 });
  expect(filled({ used: 9, limit: null, left: null })).toEqual({ part: null, fullInMs: 0 });
});

test("an app is limited by anything but a burst", () => {
  const none = {
    events_per_day: 0,
    bytes_per_day: 0,
    events_per_second: 0,
    burst_events: 1,
    key_events_per_second: 0,
    address_events_per_second: 0,
    component_events_per_second: 0,
    components: {},
  };
  const of = (changed: object) => isLimited({ in_force: { ...none, ...changed } } as Limits);
  expect(of({})).toBe(false);
  expect(of({ bytes_per_day: 1 })).toBe(true);
  expect(of({ components: { agent: {} } })).toBe(true);
});

test("numbers are read as people write them", () => {
  expect([amount(""), amount(" 5,000,000 "), amount("0"), amount("2.5")]).toEqual([null, 5_000_000, 0, 2.5]);
  expect([amount("-1"), amount("many"), amount("1e9")]).toEqual([undefined, undefined, undefined]);
  expect([typed(null), typed(undefined), typed(0)]).toEqual(["", "", "0"]);
});

test("only days that can be saved and are fewer erase something", () => {
  expect([1, 13].map((days) => erases(days, 14))).toEqual([true, true]);
  expect([null, 0, 0.5, 13.5, 14, 30].some((days) => erases(days, 14))).toBe(false);
  expect([1, 2].map(daysText)).toEqual(["1 day", "2 days"]);
});
