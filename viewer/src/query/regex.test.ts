import { expect, test } from "vitest";
import { boundedRegex } from "./regex";

const STEPS = 8_000_000;
const ROW = 625; // characters: what a row has in sight, and more
const found = (pattern: string, text: string) =>
  [...text.matchAll(boundedRegex(pattern, STEPS)!.pattern)].map((match) => match[0]);

test("a pattern finds what it finds in the language", () => {
  expect(found("cart\\.(add|drop)", "cart.add cart.drop cart-add Cart.add")).toEqual(["cart.add", "cart.drop"]);
  expect(found("[^a-c\\s\\-]+", "abc-xyz é")).toEqual(["xyz", "é"]);
  expect(found("\\bms\\b", "ms 5ms ms_ ms")).toEqual(["ms", "ms"]);
  expect(found("a.c", "a\nc a\rc a🙂c")).toEqual(["a\rc", "a🙂c"]);
  expect(found("\\S\\s\\S", "a\u00a0b, a b")).toEqual([", a"]); // of ASCII: a no-break space is none
  expect(found("a{2}b{1,}c{0,1}", "aabbc ab aab")).toEqual(["aabbc", "aab"]);
  expect(found("x(yz)?", "xyz x")).toEqual(["xyz", "x"]);
  expect(found('".*?"', '"a" "b"')).toEqual(['"a"', '"b"']);
  expect(found("\\/\\]\\}\\-]", "/]}-]")).toEqual(["/]}-]"]);
});

test("what is no pattern of the language, or means something else in part of a text, is not looked for", () => {
  const patterns = [
    "^a",
    "a$",
    "(?i)a",
    "(?=a)",
    "(?<n>a)",
    "(?<=a)b",
    "(a)\\1",
    "\\p{L}",
    "\\B",
    "\\A",
    "[[:alpha:]]",
  ];
  for (const pattern of [...patterns, "a**", "*", "(", ")", "[a", "[z-a]", "a{2,1}", "a{x}", "\\", "a".repeat(257)])
    expect([pattern, boundedRegex(pattern, STEPS)]).toEqual([pattern, null]);
});

test("patterns that people write are looked for in all of a row that is seen", () => {
  for (const pattern of [
    "timeout after \\d+ ms",
    "timeout.*connection",
    "\\d{1,3}\\.\\d{1,3}\\.\\d{1,3}\\.\\d{1,3}",
    "\\S+@\\S+",
    "took [0-9]+\\.[0-9]+ s",
    "(GET|POST|PUT|DELETE) /v1/\\w+",
    "status=5\\d\\d .* path=",
  ])
    expect([pattern, boundedRegex(pattern, STEPS)?.charsMax ?? 0]).toEqual([
      pattern,
      expect.toSatisfy((n) => n >= ROW),
    ]);
});

const HOSTILE = [
  "(a+)+b",
  "(a*)*b",
  "(a|a)*b",
  "(a|aa)+b",
  "a*a*a*a*b",
  `${"a?".repeat(40)}a{40}`,
  `${"(a|a)".repeat(40)}b`,
  `${"(\\b|\\b)".repeat(30)}b`,
  `a*${"(\\b|\\b)".repeat(30)}b`,
  `${"(|)".repeat(80)}b`,
  `${"(a|b|ab)?".repeat(25)}c`,
  ".*.*=.*x",
  "a{0,1000}a{0,1000}b",
  "(a?){1000}b",
  "(((((((((a|a)(a|a))(a|a))(a|a))(a|a))(a|a))(a|a))(a|a))b)".repeat(4),
];

test.each(HOSTILE)("%s is not looked for, whatever stands in a line", (pattern) => {
  expect(boundedRegex(pattern, STEPS)).toBeNull();
});
