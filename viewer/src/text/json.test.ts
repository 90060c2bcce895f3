import { expect, test } from "vitest";
import { readJson, writeJson } from "./json";

const SAME = [
  '{"value":1234567890123456789}',
  '{"value":-1234567890123456789,"attributes":{"trace":18446744073709551615}}',
  "[12345678901234567890,[9007199254740993]]",
  "1234567890123456789",
  '{"value":"1234567890123456789 and \\": 1234567890123456789 \\\\","n":9007199254740993}',
  '{"value":"[1234567890123456789"}',
  '{"a":9007199254740991,"b":0,"c":null,"d":[true]}',
];

test.each(SAME)("digits and texts stay as they are: %s", (text) => {
  expect(writeJson(readJson(text))).toBe(text);
});

test("numbers that fit, and those that are not whole, are numbers", () => {
  const read = readJson(
    '{"a":9007199254740991,"b":1234567890123456789.5,"c":12345678901234567e3,"d":[1234567890123456]}',
  );
  const [b, c] = [Number("1234567890123456789.5"), Number("12345678901234567e3")];
  expect(read).toEqual({ a: 9007199254740991, b, c, d: [1234567890123456] });
});

test("what is no JSON is refused as before", () => {
  for (const text of ["", "{", '{"a":1234567890123456789', "<html>[1234567890123456789"])
    expect(() => readJson(text)).toThrow(SyntaxError);
});

test("a long text with many escapes is read", () => {
  const text = `[${JSON.stringify('\\" '.repeat(300_000))},1234567890123456789]`;
  expect(writeJson(readJson(text))).toBe(text);
});

test("what is not there is no text", () => {
  expect(writeJson(undefined)).toBe("");
  expect(writeJson({ a: 1n }, 2)).toBe('{\n  "a": 1\n}');
});
