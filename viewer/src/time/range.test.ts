import { expect, test } from "vitest";
import { ago, dateTime, span } from "./format";
import { isBeyondRetention, parseTime, resolve, shifted, widened } from "./range";

const NOW = Date.parse("2026-08-01T10:00:00Z");
const HOUR = 3_600_000;

test("times are read as the API reads them", () => {
  expect(parseTime("-1h30m", NOW)).toBe(NOW - 1.5 * HOUR);
  expect(parseTime("now-1d", NOW)).toBe(NOW - 24 * HOUR);
  expect(parseTime("1785578400123", 0)).toBe(1785578400123);
  expect(parseTime("2026-08-01T12:00:00+02:00", 0)).toBe(NOW);
  expect(parseTime("2026-08-01 10:00", 0)).toBe(NOW);
  expect(parseTime("yesterday", 0)).toBeNull();
});

test("a range moves by its own length and widens around its middle", () => {
  const range = { from: "-1h", to: "" };
  expect(resolve(range, NOW, 15)).toEqual({ from: NOW - HOUR, to: NOW });
  expect(shifted(range, -1, NOW, 15)).toEqual({ from: "2026-08-01T08:00:00.000Z", to: "2026-08-01T09:00:00.000Z" });
  expect(widened(range, 2, NOW, 15)).toEqual({ from: "2026-08-01T08:30:00.000Z", to: "2026-08-01T10:30:00.000Z" });
  expect(widened(range, 0.5, NOW, 15)).toEqual({ from: "2026-08-01T09:15:00.000Z", to: "2026-08-01T09:45:00.000Z" });
});

test("a range before what is kept is told from an empty one", () => {
  expect(isBeyondRetention({ from: "2026-06-01", to: "2026-07-01" }, NOW, 15)).toBe(true);
  expect(isBeyondRetention({ from: "2026-06-01", to: "2026-08-01" }, NOW, 15)).toBe(false);
  expect(isBeyondRetention({ from: "-90d", to: "" }, NOW, 15)).toBe(false);
});

test("durations and ages have two units at most", () => {
  expect([12, 1204, 187_000, 7_500_000, 356_400_000].map(span)).toEqual([
    "12 ms",
    "1.204 s",
    "3 m 07 s",
    "2 h 05 m",
    "4 d 03 h",
  ]);
  expect([ago(NOW, NOW), ago(NOW - 187_000, NOW), ago(NOW + 240_000, NOW)]).toEqual([
    "just now",
    "3 m 07 s ago",
    "in 4 m 00 s",
  ]);
  expect(dateTime("2026-08-01T10:00:00.123456789Z", "utc")).toBe("2026-08-01 10:00:00.123");
});
