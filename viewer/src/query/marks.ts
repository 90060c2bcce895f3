/** What to mark in the values that a query found. */
import { boundedRegex, type Mark } from "./regex";
import { escapeRegExp, type Token, tokens } from "./tokens";

export type Marks = readonly Mark[];

const LETTERS = "[\\p{L}\\p{N}]";
const TERMS_MAX = 32;
const STEPS_MAX = 8_000_000; // of all regexes of a query, for one text: some milliseconds at worst

/** Finds in a value what the query's words, phrases, prefixes and regexes look for; null when there is none. */
export function marksOf(query: string): Marks | null {
  const terms = termsOfValue(tokens(query)).slice(0, TERMS_MAX);
  const words = terms.flatMap(({ kind, text }) => (kind === "regex" ? [] : patternOf(text))).filter(Boolean);
  const regexes = terms.flatMap(({ kind, text }) => (kind === "regex" && text.length > 2 ? text.slice(1, -1) : []));
  const marks = [
    ...(words.length ? [exactly(words.join("|"))] : []),
    ...regexes.flatMap((regex) => boundedRegex(regex, STEPS_MAX / regexes.length) ?? []),
  ];
  return marks.length ? marks : null;
}

/** Finds `text` wherever it stands, also within words; null for nothing. */
export function marksOfText(text: string): Marks | null {
  const wanted = text.trim();
  return wanted ? [exactly(escapeRegExp(wanted))] : null;
}

/** In any case, in all of a text: what is looked for has no repetition but of its own words. */
function exactly(pattern: string): Mark {
  return { pattern: new RegExp(pattern, "giu"), charsMax: Number.POSITIVE_INFINITY };
}

const ELSEWHERE = "elsewhere"; // of another field, or what must not be there

/** Words, texts and regexes that are looked for in the value, those in the parentheses of a field among them. */
function termsOfValue(all: readonly Token[]): Token[] {
  const found: Token[] = [];
  const groups: string[] = [];
  let isNegated = false;
  let field = "";
  for (const token of all) {
    const { kind, text } = token;
    if (kind === "pipe") break;
    if (kind === "keyword") isNegated = /^(?:not|-|!)$/i.test(text);
    else if (kind === "field") field = text.toLowerCase();
    else if (kind === "operator") field = /^[:=]$/.test(text) ? field : ELSEWHERE;
    else {
      const of = isNegated ? ELSEWHERE : field || groups.at(-1) || "value";
      if (text === ")" && kind === "paren") groups.pop();
      else if (kind === "paren") groups.push(of);
      else if (of === "value") found.push(token);
      [isNegated, field] = [false, ""];
    }
  }
  return found;
}

function patternOf(text: string): string {
  const bare = text.startsWith('"') ? text.replace(/^"|"$/g, "").replace(/\\(["\\])/g, "$1") : text;
  const isPrefix = !text.startsWith('"') && bare.endsWith("*");
  const words = bare.match(/[\p{L}\p{N}]+/gu) ?? [];
  if (!words.length || words.join("").length > 200) return "";
  const end = isPrefix ? `${LETTERS}*` : `(?!${LETTERS})`;
  return `(?<!${LETTERS})${words.join("[^\\p{L}\\p{N}]{1,8}")}${end}`;
}
