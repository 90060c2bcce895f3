/**
 * A regex of the language as one of JavaScript that is safe to run over hostile text. The service's takes linear time for
 * any pattern; a browser's tries every way there is, which may be more than anybody waits for. So a pattern is read, what it
 * may cost at most is counted, and it is looked for in as much text as costs no more than was given, or not at all.
 */
import { areDisjoint, classOf, inverted, one, type Ranges, united } from "./ranges";

export interface Mark {
  pattern: RegExp;
  /** Of a text, so many characters are looked at. */
  charsMax: number;
}

const PATTERN_CHARS_MAX = 256; // as the language has it
const CHARS_MOST = 20_000; // as long as text is that has marks
const CHARS_LEAST = 250; // shorter than what a row shows: it is not looked for

/** Part of a pattern. An edge is of a word; a repeated choice is one that may be absent, and nothing else. */
type Part =
  | { kind: "chars"; ranges: Ranges; low: number; high: number; isLazy: boolean }
  | { kind: "edge" }
  | { kind: "choice"; rows: readonly Part[][]; isOptional: boolean };

/**
 * `steps`: what looking through one text may cost, in characters compared. null: the pattern is none of the language, may
 * cost more, or has what does not mean the same in a part of a text (`^`, `$`) or cannot be counted (a repeated group).
 */
export function boundedRegex(pattern: string, steps: number): Mark | null {
  const rows = pattern.length > PATTERN_CHARS_MAX ? null : new Reader(pattern).whole();
  if (!rows) return null;
  for (let chars = CHARS_MOST; chars >= CHARS_LEAST; chars = Math.floor(chars / 2))
    if (chars * costOfChoice(rows, false, END, chars).steps <= steps)
      return { pattern: new RegExp(alternatives(rows), "gu"), charsMax: chars };
  return null;
}

/** What follows a part, each time it is tried, in steps at most. */
interface Rest {
  steps: number;
  /** The same where a text goes on with a character that is not in `first`. */
  missed: number;
  first: Ranges;
  mayFail: boolean;
}

const END: Rest = { steps: 0, missed: 0, first: [], mayFail: false };

/**
 * A part with its rest. Each end of a repetition is a place where the rest is tried, but for two cases. What cannot fail is
 * reached once, and a match is not looked at again. What begins with no character that is repeated is missed everywhere
 * but behind the last one.
 */
function cost(part: Part, rest: Rest, chars: number): Rest {
  if (part.kind === "edge") return { ...rest, steps: rest.steps + 1, missed: rest.missed + 1, mayFail: true };
  if (part.kind === "choice") return costOfChoice(part.rows, part.isOptional, rest, chars);
  const { ranges, low } = part;
  const high = Math.max(low, Math.min(part.high, chars));
  const first = low > 0 ? ranges : united([...ranges, ...rest.first]);
  const missed = low > 0 ? 1 : 1 + rest.missed;
  const looks = high > low ? high + 1 : low; // one more, behind the last that fits
  if (!rest.mayFail) return { steps: low + 1 + rest.steps, missed, first, mayFail: low > 0 };
  const others = areDisjoint(ranges, rest.first) ? rest.missed : rest.steps;
  return { steps: looks + (high - low) * (1 + others) + rest.steps, missed, first, mayFail: true };
}

function costOfChoice(rows: readonly Part[][], isOptional: boolean, rest: Rest, chars: number): Rest {
  const ways = rows.map((row) => row.reduceRight((after, part) => cost(part, after, chars), rest));
  if (isOptional) ways.push(rest);
  return {
    steps: ways.reduce((sum, way) => sum + way.steps + 1, 0),
    missed: ways.reduce((sum, way) => sum + way.missed + 1, 0),
    first: united(ways.flatMap((way) => way.first)),
    mayFail: ways.every((way) => way.mayFail),
  };
}

function alternatives(rows: readonly Part[][]): string {
  return rows.map((row) => row.map(source).join("")).join("|");
}

function source(part: Part): string {
  if (part.kind === "edge") return "\\b";
  if (part.kind === "choice") return `(?:${alternatives(part.rows)})${part.isOptional ? "?" : ""}`;
  const { ranges, low, high, isLazy } = part;
  if (low === 1 && high === 1) return classOf(ranges);
  return `${classOf(ranges)}{${low},${high === Number.POSITIVE_INFINITY ? "" : high}}${isLazy ? "?" : ""}`;
}

const PERL: Readonly<Record<string, Ranges>> = {
  d: [[0x30, 0x39]],
  w: [
    [0x30, 0x39],
    [0x41, 0x5a],
    [0x5f, 0x5f],
    [0x61, 0x7a],
  ],
  s: [
    [0x09, 0x0a],
    [0x0c, 0x0d],
    [0x20, 0x20],
  ],
};
const CONTROLS: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t" };
const PUNCTUATION = /^[!-/:-@[-`{-~]$/;
const REPEAT = /^\{(\d{1,4})(?:(,)(\d{0,4}))?\}/;
const SIMPLE: Readonly<Record<string, readonly [number, number]>> = {
  "*": [0, Number.POSITIVE_INFINITY],
  "+": [1, Number.POSITIVE_INFINITY],
  "?": [0, 1],
};
const DEPTH_MAX = 32;

/** Recursive descent over one pattern; each step tells null for what is not read. */
class Reader {
  private readonly characters: readonly string[];
  private at = 0;
  private depth = 0;

  constructor(pattern: string) {
    this.characters = Array.from(pattern);
  }

  whole(): Part[][] | null {
    const rows = this.choice();
    return this.at < this.characters.length ? null : rows;
  }

  private get next(): string {
    return this.characters[this.at] ?? "";
  }

  private take(character: string): boolean {
    if (this.next !== character) return false;
    this.at += 1;
    return true;
  }

  private choice(): Part[][] | null {
    const rows: Part[][] = [];
    do {
      const row: Part[] = [];
      while (this.next !== "" && this.next !== "|" && this.next !== ")") {
        const part = this.repeated();
        if (!part) return null;
        row.push(part);
      }
      rows.push(row);
    } while (this.take("|"));
    return rows;
  }

  private repeated(): Part | null {
    const part = this.part();
    const bounds = this.bounds();
    if (!part || bounds === "none") return part;
    const isLazy = this.take("?");
    if (bounds === null || /^[*+?{]$/.test(this.next)) return null;
    const [low, high] = bounds;
    if (part.kind === "chars") return { ...part, low, high, isLazy };
    return part.kind === "choice" && low === 0 && high === 1 && !isLazy ? { ...part, isOptional: true } : null;
  }

  private bounds(): readonly [number, number] | "none" | null {
    const simple = SIMPLE[this.next];
    if (simple) {
      this.at += 1;
      return simple;
    }
    if (this.next !== "{") return "none";
    const found = REPEAT.exec(this.characters.slice(this.at, this.at + 12).join(""));
    if (!found) return null;
    this.at += found[0].length;
    const low = Number(found[1]);
    const high = found[2] === undefined ? low : found[3] ? Number(found[3]) : Number.POSITIVE_INFINITY;
    return low <= high ? [low, high] : null;
  }

  private part(): Part | null {
    if (this.next === "(") return this.group();
    if (this.next === "\\" && this.characters[this.at + 1] === "b") {
      this.at += 2;
      return { kind: "edge" };
    }
    const ranges = this.chars();
    return ranges && { kind: "chars", ranges, low: 1, high: 1, isLazy: false };
  }

  private group(): Part | null {
    this.at += 1;
    if (this.take("?") && !this.take(":")) return null;
    this.depth += 1;
    const rows = this.depth > DEPTH_MAX ? null : this.choice();
    this.depth -= 1;
    return rows && this.take(")") ? { kind: "choice", rows, isOptional: false } : null;
  }

  private chars(): Ranges | null {
    if (/^[*+?{^$]?$/.test(this.next)) return null;
    if (this.take("[")) return this.charClass();
    if (this.take(".")) return inverted(one("\n"));
    return this.character();
  }

  /** One as it stands, or an escape. */
  private character(): Ranges | null {
    if (this.next === "") return null;
    if (!this.take("\\")) return one(this.characters[this.at++]!);
    const escaped = this.next;
    this.at += 1;
    const perl = /^[a-z]$/i.test(escaped) ? PERL[escaped.toLowerCase()] : undefined;
    if (perl) return escaped === escaped.toLowerCase() ? perl : inverted(perl);
    if (CONTROLS[escaped]) return one(CONTROLS[escaped]);
    return PUNCTUATION.test(escaped) ? one(escaped) : null;
  }

  private charClass(): Ranges | null {
    const isNegated = this.take("^");
    const found: (readonly [number, number])[] = [];
    do {
      const low = this.ofClass();
      if (!low) return null;
      const isRange = this.next === "-" && this.characters[this.at + 1] !== "]";
      if (isRange) this.at += 1;
      const high = isRange ? this.ofClass() : low;
      if (!high) return null;
      if (isRange && !isOne(low, high)) return null;
      found.push(...(isRange ? [[low[0]![0], high[0]![0]] as const] : low));
    } while (!this.take("]"));
    return isNegated ? inverted(found) : found;
  }

  private ofClass(): Ranges | null {
    return this.next === "[" || this.next === "]" ? null : this.character();
  }
}

/** Whether these are the ends of a range. */
function isOne(low: Ranges, high: Ranges): boolean {
  const isSingle = (ranges: Ranges) => ranges.length === 1 && ranges[0]![0] === ranges[0]![1];
  return isSingle(low) && isSingle(high) && low[0]![0] <= high[0]![0];
}
