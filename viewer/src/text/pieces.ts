/** A log line cut into pieces that can be shown: ANSI colours as classes, odd characters as symbols, matches marked. */
import { ODD, symbol } from "./symbols";

export interface Piece {
  text: string;
  /** Classes for the look, "" for none. */
  look: string;
  mark: boolean;
  /** A stand-in for a character that cannot be seen. */
  control: boolean;
}

const TOKEN = new RegExp(`\\x1b\\[([0-9;]{0,32})m|(${ODD.source})`, "g");

/** The pieces of `text` in order; `marks` (global, case-insensitive) finds what to mark. */
export function pieces(text: string, marks: RegExp | null = null): Piece[] {
  const clean = text.includes("\r\n") ? text.replaceAll("\r\n", "\n") : text;
  if (!ODD.test(clean)) return marked(clean, "", marks);
  const found: Piece[] = [];
  let look = "";
  let position = 0;
  for (const match of clean.matchAll(TOKEN)) {
    found.push(...marked(clean.slice(position, match.index), look, marks));
    if (match[2] !== undefined) found.push({ text: symbol(match[2]), look: "", mark: false, control: true });
    else look = nextLook(look, match[1] ?? "");
    position = match.index + match[0].length;
  }
  found.push(...marked(clean.slice(position), look, marks));
  return found;
}

function marked(text: string, look: string, marks: RegExp | null): Piece[] {
  if (!text) return [];
  if (!marks) return [{ text, look, mark: false, control: false }];
  const found: Piece[] = [];
  let position = 0;
  for (const match of text.matchAll(marks)) {
    if (match[0] === "") continue;
    if (match.index > position)
      found.push({ text: text.slice(position, match.index), look, mark: false, control: false });
    found.push({ text: match[0], look, mark: true, control: false });
    position = match.index + match[0].length;
  }
  if (position < text.length) found.push({ text: text.slice(position), look, mark: false, control: false });
  return found;
}

/** The classes after a colour sequence: `a31` (foreground), `bold`. Backgrounds and 256 colours are passed over. */
function nextLook(look: string, codes: string): string {
  let colour = look.split(" ").find((name) => name.startsWith("a")) ?? "";
  let bold = look.includes("bold");
  const numbers = codes.split(";").map((code) => Number(code || "0"));
  if (numbers.includes(38) || numbers.includes(48)) return look;
  for (const number of numbers) {
    if (number === 0) [colour, bold] = ["", false];
    else if (number === 1) bold = true;
    else if (number === 22) bold = false;
    else if (number === 39) colour = "";
    else if ((number >= 30 && number <= 37) || (number >= 90 && number <= 97)) colour = `a${number}`;
  }
  return [colour, bold ? "bold" : ""].filter(Boolean).join(" ");
}
