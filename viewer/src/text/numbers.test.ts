import { expect, test } from "vitest";
import { bytes, count, short } from "./numbers";

test("numbers are written as the browser's formatter would", () => {
  const whole = new Intl.NumberFormat("en");
  const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
  const numbers = [0, 7, 999, 1000, 123_456, 1_234_567, 987_654_321_012, -1234, 0.5, 1234.5678, 0.0004];
  expect(numbers.map(count)).toEqual(numbers.map((each) => whole.format(each)));
  expect(count(-1234567890123456789n)).toBe("-1,234,567,890,123,456,789");
  const large = [10_000, 12_345, 99_940, 999_949, 999_951, 1_250_000, 45e6, 2.34e9, 7.1e12];
  expect(large.map(short)).toEqual(large.map((each) => compact.format(each)));
  expect([short(9999), bytes(1234), bytes(12_345_678)]).toEqual(["9,999", "1.2 KB", "12 MB"]);
});
