/** A log line cut into pieces that can be shown: ANSI colours as classes, odd characters as symbols, matches marked. */
import type { Marks } from "../query/marks";
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

/** The pieces of `text` in order; `marks` finds what to mark, each in as much of `text` as it may look at. */
export function pieces(text: string, marks: Marks | null = null): Piece[] {
  const clean = text.includes("\r\n") ? text.replaceAll("\r\n", "\n") : text;
  if (!ODD.test(clean)) return marked(clean, "", marks, 0);
  const found: Piece[] = [];
  const look = new Look();
  let position = 0;
  for (const match of clean.matchAll(TOKEN)) {
    found.push(...marked(clean.slice(position, match.index), look.classes, marks, position));
    if (match[2] !== undefined) found.push({ text: symbol(match[2]), look: "", mark: false, control: true });
    else look.take(match[1] ?? "");
    position = match.index + match[0].length;
  }
  found.push(...marked(clean.slice(position), look.classes, marks, position));
  return found;
}

function marked(text: string, look: string, marks: Marks | null, start: number): Piece[] {
  if (!text) return [];
  const found: Piece[] = [];
  let position = 0;
  for (const [from, to] of marks ? places(text, marks, start) : []) {
    if (from > position) found.push({ text: text.slice(position, from), look, mark: false, control: false });
    found.push({ text: text.slice(from, to), look, mark: true, control: false });
    position = to;
  }
  if (position < text.length) found.push({ text: text.slice(position), look, mark: false, control: false });
  return found;
}

/** What to mark in `text`, which begins at `start` of its whole: half-open, in order, those that touch as one. */
function places(text: string, marks: Marks, start: number): [number, number][] {
  const all: [number, number][] = [];
  for (const { pattern, charsMax } of marks) {
    const looked = text.slice(0, Math.max(0, charsMax - start));
    for (const { 0: match, index } of looked.matchAll(pattern)) {
      const end = index + match.length;
      const isCut = end === looked.length && looked.length < text.length;
      if (match && !isCut) all.push([index, end]);
    }
  }
  const found: [number, number][] = [];
  for (const [from, to] of all.sort((a, b) => a[0] - b[0])) {
    const last = found[found.length - 1];
    if (last && from <= last[1]) last[1] = Math.max(last[1], to);
    else found.push([from, to]);
  }
  return found;
}

const STYLES: Readonly<Record<number, string>> = { 1: "bold", 3: "italic", 4: "underlined", 7: "inverse", 9: "struck" };
const STYLE_ENDS: Readonly<Record<number, string>> = {
  22: "bold",
  23: "italic",
  24: "underlined",
  27: "inverse",
  29: "struck",
};
const GROUND = 10; // from the number of a colour to the one of the same background
const BRIGHT = 60; // from a colour to its bright one: as a background they look the same

/** How text looks after colour sequences (ECMA-48, SGR), as classes: `a31` a colour, `b41` a background, `bold` and such. */
class Look {
  private colour = 0;
  private ground = 0;
  private readonly styles = new Set<string>();

  get classes(): string {
    const colours = [this.colour && `a${this.colour}`, this.ground && `b${this.ground}`];
    return [...colours, ...this.styles].filter(Boolean).join(" ");
  }

  /** codes: what stands between `ESC [` and `m`. */
  take(codes: string): void {
    const numbers = codes.split(";").map((code) => Number(code || "0"));
    for (let at = 0; at < numbers.length; at += 1) {
      const number = numbers[at]!;
      if (number === 38 || number === 48) {
        const isIndexed = numbers[at + 1] === 5;
        this.paint((isIndexed ? indexed(numbers[at + 2] ?? 0) : mixed(numbers.slice(at + 2))) + number - 38);
        at += isIndexed ? 2 : 4;
      } else if (number === 0) {
        [this.colour, this.ground] = [0, 0];
        this.styles.clear();
      } else if (number === 39) this.colour = 0;
      else if (number === 49) this.ground = 0;
      else if (STYLES[number]) this.styles.add(STYLES[number]);
      else if (STYLE_ENDS[number]) this.styles.delete(STYLE_ENDS[number]);
      else this.paint(number);
    }
  }

  /** 30 to 37, 90 to 97, or the same as a background; others are passed over. */
  private paint(number: number): void {
    if (isColour(number)) this.colour = number;
    else if (isColour(number - GROUND)) this.ground = number < 100 ? number : number - BRIGHT;
  }
}

function isColour(number: number): boolean {
  return (number >= 30 && number <= 37) || (number >= 90 && number <= 97);
}

/** One of 256: sixteen by name, a cube of 6 × 6 × 6, 24 greys (as xterm has them). */
function indexed(number: number): number {
  if (number < 8) return 30 + number;
  if (number < 16) return 82 + number;
  const grey = 8 + (number - 232) * 10;
  if (number >= 232) return mixed([grey, grey, grey]);
  const steps = [Math.floor((number - 16) / 36), Math.floor((number - 16) / 6) % 6, (number - 16) % 6];
  return mixed(steps.map((step) => step * 51));
}

/** The nearest of the colours by name: those are readable on light and dark, others need not be. Parts: 0 to 255. */
function mixed([red = 0, green = 0, blue = 0]: readonly number[]): number {
  const [least, most] = [Math.min(red, green, blue), Math.max(red, green, blue)];
  if (most - least < 40) return most < 85 ? 30 : most < 170 ? 90 : 37;
  const middle = (least + most) / 2;
  return 30 + (red > middle ? 1 : 0) + (green > middle ? 2 : 0) + (blue > middle ? 4 : 0);
}
