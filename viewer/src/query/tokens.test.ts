import { expect, test } from "vitest";
import { marksOf, marksOfText, tokens } from "./tokens";

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

test("what is looked for in the value is marked, and nothing else", () => {
  const marks = marksOf('timed* "card declined" level:error -retry value:gone not other')!;
  const marked = (text: string) => [...text.matchAll(marks)].map((match) => match[0]);
  expect(marked("Timed timedout card, declined error retry gone other untimed")).toEqual([
    "Timed",
    "timedout",
    "card, declined",
    "gone",
  ]);
  expect(marksOf("level>=warn")).toBeNull();
});

test("a plain text is found as it stands, whatever it has in it", () => {
  expect("a.b A.B axb".match(marksOfText(" a.b ")!)).toEqual(["a.b", "A.B"]);
  expect("x {[(*+?^$|/\\)]} y".match(marksOfText("{[(*+?^$|/\\)]}")!)).toHaveLength(1);
  expect(marksOfText("  ")).toBeNull();
});
