import { expect, test } from "vitest";
import { attributeField, makesTable, term, toggled } from "./edit";

test("a term names its value exactly, however odd", () => {
  expect(term("component", "cart", true)).toBe("component=cart");
  expect(term("session", 'a "b" \\c', false)).toBe('session!="a \\"b\\" \\\\c"');
  expect(term("key", "or", true)).toBe('key="or"');
  expect(term("user", "", true)).toBe("-user:*");
  expect(attributeField("a,b")).toBe('attributes."a,b"');
});

test("a second click takes the first one back", () => {
  const only = term("component", "cart", true);
  expect(toggled("timeout", only)).toBe("timeout component=cart");
  expect(toggled("timeout component=cart", only)).toBe("timeout");
});

test("the opposite takes the place of a term", () => {
  expect(toggled("a component=x b", "component!=x", "component=x")).toBe("a b component!=x");
});

test("an or keeps its meaning", () => {
  expect(toggled("a or b", "level=warn")).toBe("(a or b) level=warn");
  expect(toggled("(a or b) level=warn", "level=warn")).toBe("(a or b)");
});

test("terms go before the stages", () => {
  expect(toggled("error | count by user", "level=warn")).toBe("error level=warn | count by user");
  expect(toggled("| count", "level=warn")).toBe("level=warn | count");
});

test("a part of a longer term is not taken for it", () => {
  expect(toggled("not level=warn", "level=warn")).toBe("not level=warn level=warn");
  expect(toggled("xlevel=warn", "level=warn")).toBe("xlevel=warn level=warn");
});

test("queries that make a table are told", () => {
  expect(makesTable("error | count by user")).toBe(true);
  expect(makesTable("* | count, p95(value) by user")).toBe(true);
  expect(makesTable("* | top 5 user")).toBe(true);
  expect(makesTable("error | limit 5")).toBe(false);
  expect(makesTable('"a | count"')).toBe(false);
});
