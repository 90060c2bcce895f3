import { expect, test } from "vitest";
import { tokens } from "./tokens";

const kinds = (text: string) => tokens(text).map((token) => `${token.kind} ${token.text}`);

test("a filter is cut into its parts", () => {
  expect(kinds('level>=warn component:(a or "b c") -retry key:/x\\/y/')).toEqual([
    "field level",
    "operator >=",
    "word warn",
    "field component",
    "operator :",
    "paren (",
    "word a",
    "keyword or",
    'string "b c"',
    "paren )",
    "keyword -",
    "word retry",
    "field key",
    "operator :",
    "regex /x\\/y/",
  ]);
});

test("stages after a bar are told from words", () => {
  expect(kinds("error | count by component")).toEqual([
    "word error",
    "pipe |",
    "stage count",
    "stage by",
    "word component",
  ]);
});

test("unfinished text is cut too", () => {
  for (const text of ['"', "a:", "-", "(", "|", "x=/", '\\"\\', "!", "a:!b", "=="]) {
    const found = tokens(text);
    expect(found.every((token) => token.to > token.from)).toBe(true);
  }
});

test("regexes stand after an operator, or in the parentheses of a field", () => {
  expect(kinds("value:(/a b/ or (/c/)) (/usr/bin)").filter((kind) => kind.includes("/"))).toEqual([
    "regex /a b/",
    "regex /c/",
    "word /usr/bin",
  ]);
});
