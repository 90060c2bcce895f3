import { expect, test } from "vitest";
import { firstLine } from "./values";

test.each([
  ["one\ntwo", "one ↵"],
  ["one\r\ntwo", "one ↵"],
  ["\n  one", "one"],
  ["one\rtwo", "one\rtwo"],
])("a row shows the first line of %j", (value, shown) => {
  expect(firstLine(value)).toBe(shown);
});
