import { expect, test } from "vitest";
import { toggled } from "../query/edit";
import { wordAt, wordsOf, wordTerm } from "./words";

const LINE = 'card declined: 10.0.0.1 says "Bank.java:93" (status=504) /v1/payments — и «ещё» \u202e';

test("the word under the pointer keeps what holds it together", () => {
  const at = (part: string) => wordAt(LINE, LINE.indexOf(part) + 1);
  expect(["declined", "0.0.1", "java", "status", "504", "payments", "ещё"].map(at)).toEqual([
    "declined",
    "10.0.0.1",
    "Bank.java:93",
    "status",
    "504",
    "v1/payments",
    "ещё",
  ]);
  expect([wordAt(" , ", 1), wordAt("", 0), wordAt("x".repeat(300), 5)]).toEqual(["", "", ""]);
});

test("words of a message, each once", () => {
  expect(wordsOf("a b a — 'c' x=1")).toEqual(["a", "b", "c", "x", "1"]);
  expect(wordsOf("w ".repeat(10) + Array.from({ length: 200 }, (_, index) => `n${index}`).join(" "))).toHaveLength(80);
});

test("a word becomes a term that can be taken back", () => {
  expect([wordTerm("declined", ""), wordTerm("10.0.0.1", ""), wordTerm("or", "")]).toEqual([
    "declined",
    '"10.0.0.1"',
    '"or"',
  ]);
  const without = wordTerm("v1/payments", "", false);
  expect(without).toBe('-"v1/payments"');
  const added = toggled("level:error", without, wordTerm("v1/payments", ""));
  expect(added).toBe('level:error -"v1/payments"');
  expect(toggled(added, without)).toBe("level:error");
  expect(toggled(added, wordTerm("v1/payments", ""), without)).toBe('level:error "v1/payments"');
});

test("a word behind a colour sequence is looked for by its characters, as the sequence's end is part of it", () => {
  const text = "\x1b[31mERROR\x1b[0m disk full, no ERROR\x1b[32mfree";
  expect([wordTerm("free", text), wordTerm("free", text, false)]).toEqual(["value:/free/", "-value:/free/"]);
  expect([wordTerm("ERROR", text), wordTerm("disk", text)]).toEqual(["ERROR", "disk"]);
  expect(wordsOf(text)).toEqual(["ERROR", "disk", "full", "no", "free"]);
});
