import { expect, test } from "vitest";
import { pieces } from "../text/pieces";
import { type Marks, marksOf, marksOfText } from "./marks";

const marked = (text: string, marks: Marks | null) =>
  pieces(text, marks)
    .filter((piece) => piece.mark)
    .map((piece) => piece.text);

test("what is looked for in the value is marked, and nothing else", () => {
  const marks = marksOf('timed* "card declined" level:error -retry value:gone not other');
  expect(marked("Timed timedout card, declined error retry gone other untimed", marks)).toEqual([
    "Timed",
    "timedout",
    "card, declined",
    "gone",
  ]);
  expect(marksOf("level>=warn")).toBeNull();
});

test("a regex of the value is marked, where case counts; words beside it are in any case", () => {
  const marks = marksOf("value:/took \\d+\\.\\d+ m?s/ checkout");
  expect(marked("Took 1.5 s, took 20.75 ms: CHECKOUT took 3 s", marks)).toEqual(["took 20.75 ms", "CHECKOUT"]);
  expect(marked("GET /a/b 1", marksOf("value:(/\\/a\\/b/ or gone)"))).toEqual(["/a/b"]);
  expect(marked("one two", marksOf("value=/t.o/ | count"))).toEqual(["two"]);
});

test("what must not be there, and what is of another field, is not marked", () => {
  for (const query of [
    "-value:/a/",
    "not value:a",
    "value!=/a/",
    "key:/a/",
    "component:(a or /b/)",
    "-(a or b)",
    "value>1",
  ])
    expect(marked("a b 1", marksOf(query))).toEqual([]);
});

test("many costly regexes share what one text may cost", () => {
  const one = "value:/a.*b.*/";
  const charsMax = (query: string) => marksOf(query)?.[0]?.charsMax ?? 0;
  expect(charsMax(one)).toBeGreaterThan(charsMax(Array(16).fill(one).join(" or ")));
});

test("a plain text is found as it stands, whatever it has in it", () => {
  expect(marked("a.b A.B axb", marksOfText(" a.b "))).toEqual(["a.b", "A.B"]);
  expect(marked("x {[(*+?^$|/\\)]} y", marksOfText("{[(*+?^$|/\\)]}"))).toHaveLength(1);
  expect(marksOfText("  ")).toBeNull();
});
