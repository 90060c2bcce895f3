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
    ["other", ""],
  ]);
});

test("controls and marks that turn writing round are shown by name", () => {
  expect(texts("a\x00b\u202ec\x1b]0;t\x07")).toEqual(["a", "NUL", "b", "U+202E", "c", "ESC", "]0;t", "BEL"]);
  expect(plain("a\nb\u2066\ud800")).toBe("a ↵ bU+2066U+D800");
});

test("whole characters beyond 16 bits are left alone", () => {
  expect(texts("🙂 ok")).toEqual(["🙂 ok"]);
});

test("matches are marked inside colours", () => {
  const found = pieces("\x1b[31mcard declined\x1b[0m", /declined/gi);
  expect(found.map(({ text, look, mark }) => [text, look, mark])).toEqual([
    ["card ", "a31", false],
    ["declined", "a31", true],
  ]);
});
