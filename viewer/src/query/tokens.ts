/** A query cut into coloured parts. It judges nothing: what is wrong, the API says, with its column. */

export type Kind = "field" | "operator" | "keyword" | "string" | "regex" | "word" | "paren" | "pipe" | "stage";

export interface Token {
  from: number;
  to: number;
  kind: Kind;
  text: string;
}

const FIELD = /[A-Za-z_@][\w.@-]*(?:\."(?:\\.|[^"\\])*")?(?=\s*(?:!=|>=|<=|:|=|>|<))/y;
const OPERATOR = /!=|>=|<=|:|=|>|</y;
const STRING = /"(?:\\.|[^"\\])*"?/y;
const REGEX = /\/(?:\\.|[^/\\])*\/?/y;
const WORD = /[^\s()"|:=<>!]+|[^\s]/y;
const STAGES = /^(?:count|rate|uniq|sum|avg|min|max|p\d\d|top|patterns|sort|limit|context|fields|by|bin|asc|desc)$/;

/** Every part of `text` that is not a blank, in order. */
export function tokens(text: string): Token[] {
  const found: Token[] = [];
  let staged = false;
  let at = 0;
  const take = (pattern: RegExp, kind: Kind): boolean => {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (!match) return false;
    found.push({ from: at, to: at + match[0].length, kind, text: match[0] });
    at += match[0].length;
    return true;
  };
  while (at < text.length) {
    const character = text[at]!;
    if (/\s/.test(character)) at += 1;
    else if (character === "|") {
      staged = true;
      take(/\|/y, "pipe");
    } else if (character === "(" || character === ")") take(/[()]/y, "paren");
    else if (character === '"') take(STRING, "string");
    else if (character === "/" && last(found)?.kind === "operator") take(REGEX, "regex");
    else if (isNegation(text, at, found)) take(/[-!]/y, "keyword");
    else if (take(staged ? /(?!)/y : FIELD, "field") || take(OPERATOR, "operator")) continue;
    else {
      take(WORD, "word");
      recast(found, staged);
    }
  }
  return found;
}

function last(found: Token[]): Token | undefined {
  return found[found.length - 1];
}

/** `-x` and `!x`, right before a term. */
function isNegation(text: string, at: number, found: Token[]): boolean {
  if (!/[-!]/.test(text[at]!) || !/[^\s=]/.test(text[at + 1] ?? " ")) return false;
  return at === 0 || /[\s(]/.test(text[at - 1]!) || last(found)?.kind === "keyword";
}

/** Words that the language has for itself. */
function recast(found: Token[], staged: boolean): void {
  const token = last(found)!;
  const word = token.text.toLowerCase();
  if (staged && STAGES.test(word.replace(/,$/, ""))) token.kind = "stage";
  else if (/^(?:and|or|not)$/.test(word)) token.kind = "keyword";
}

const LETTERS = "[\\p{L}\\p{N}]";

/** Finds in a value what the query's words, phrases and prefixes look for; null when there is none. */
export function marksOf(query: string): RegExp | null {
  const wanted: string[] = [];
  const all = tokens(query);
  let negated = 0;
  for (const [index, token] of all.entries()) {
    if (token.kind === "pipe") break;
    if (token.kind === "keyword" && /^(?:not|-|!)$/i.test(token.text)) negated = index + 1;
    if (token.kind !== "word" && token.kind !== "string") continue;
    if (negated === index && index > 0) continue;
    const before = all[index - 1];
    if (before?.kind === "operator" && all[index - 2]?.text.toLowerCase() !== "value") continue;
    const pattern = patternOf(token.text);
    if (pattern) wanted.push(pattern);
  }
  if (!wanted.length) return null;
  try {
    return new RegExp(wanted.slice(0, 32).join("|"), "giu");
  } catch {
    return null;
  }
}

function patternOf(text: string): string {
  const bare = text.startsWith('"') ? text.replace(/^"|"$/g, "").replace(/\\(["\\])/g, "$1") : text;
  const isPrefix = !text.startsWith('"') && bare.endsWith("*");
  const words = bare.match(/[\p{L}\p{N}]+/gu) ?? [];
  if (!words.length || words.join("").length > 200) return "";
  const end = isPrefix ? `${LETTERS}*` : `(?!${LETTERS})`;
  return `(?<!${LETTERS})${words.join("[^\\p{L}\\p{N}]{1,8}")}${end}`;
}

/** Finds `text` wherever it stands, also within words; null for nothing. */
export function marksOfText(text: string): RegExp | null {
  const wanted = text.trim();
  return wanted ? new RegExp(escapeRegExp(wanted), "giu") : null;
}

/** `text` as a regex that finds it as it stands; of JavaScript, and of the language between its slashes. */
export function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}
