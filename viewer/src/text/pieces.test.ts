import { expect, test } from "vitest";
import { pieces } from "./pieces";
import { plain } from "./symbols";

const texts = (text: string) => pieces(text).map((piece) => piece.text);

test("HTML stays text", () => {
  expect(texts("<b>x</b><script>1</script>")).toEqual(["<b>x</b><script>1</script>"]);
});

test("ANSI colours become looks and never stand there raw", () => {
  const found = pieces("\x1b[1;31mred\x1b[0m plain \x1b[38;5;200mother");
  expect(found.map(({ text, look }) => [text, look])).toEqual([
    ["red", "a31 bold"],
    [" plain ", ""],
    ["other", "a35"],
  ]);
});

test("of many colours the nearest that can be read, backgrounds and styles are told until they end", () => {
  const look = (codes: string) => pieces(`\x1b[${codes}mx`)[0]?.look;
  expect(["44", "107;30", "1;3;4;7;9", "1;22;39;49"].map(look)).toEqual([
    "b44",
    "a30 b47",
    "bold italic underlined inverse struck",
    "",
  ]);
  expect(["38;5;9", "38;5;196", "48;5;21", "38;5;232", "38;5;255"].map(look)).toEqual([
    "a91",
    "a31",
    "b44",
    "a30",
    "a37",
  ]);
  expect(["38;2;0;200;10;1", "48;2;250;240;0", "38;2", "38;5", "38"].map(look)).toEqual([
    "a32 bold",
    "b43",
    "a30",
    "a30",
    "a30",
  ]);
  expect(pieces("\x1b[41ma\x1b[0mb\x1b[999;12mc").map((piece) => piece.look)).toEqual(["b41", "", ""]);
});

test("controls and marks that turn writing round are shown by name", () => {
  expect(texts("a\x00b\u202ec\x1b]0;t\x07")).toEqual(["a", "NUL", "b", "U+202E", "c", "ESC", "]0;t", "BEL"]);
  expect(plain("a\nb\u2066\ud800")).toBe("a ↵ bU+2066U+D800");
});

test("whole characters beyond 16 bits are left alone", () => {
  expect(texts("🙂 ok")).toEqual(["🙂 ok"]);
});

const mark = (pattern: RegExp, charsMax = Number.POSITIVE_INFINITY) => ({ pattern, charsMax });

test("matches are marked inside colours", () => {
  const found = pieces("\x1b[31mcard declined\x1b[0m", [mark(/declined/gi)]);
  expect(found.map(({ text, look, mark }) => [text, look, mark])).toEqual([
    ["card ", "a31", false],
    ["declined", "a31", true],
  ]);
});

test("matches that lie over each other or touch are one", () => {
  const found = pieces("one two three", [mark(/two/g), mark(/wo th/g), mark(/[a-z]/g)]);
  expect(found.map(({ text, mark }) => [text, mark])).toEqual([
    ["one", true],
    [" ", false],
    ["two three", true],
  ]);
});

test("a match is marked as far as it may be looked for, and none that is cut there", () => {
  const marked = (text: string, charsMax: number) =>
    pieces(text, [mark(/a+/g, charsMax)])
      .filter((piece) => piece.mark)
      .map((piece) => piece.text);
  expect(marked("aa b aaaa", 9)).toEqual(["aa", "aaaa"]);
  expect(marked("aa b aaaa", 7)).toEqual(["aa"]);
  expect(marked("aa \x1b[31maa \x1b[32maa", 14)).toEqual(["aa", "aa"]);
});
