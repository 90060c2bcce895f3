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
  const groups: boolean[] = []; // whether each open parenthesis is of a field
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
    } else if (character === "(" || character === ")") {
      if (character === ")") groups.pop();
      else groups.push(groups.at(-1) || last(found)?.kind === "operator");
      take(/[()]/y, "paren");
    } else if (character === '"') take(STRING, "string");
    else if (character === "/" && (groups.at(-1) || last(found)?.kind === "operator")) take(REGEX, "regex");
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

/** `text` as a regex that finds it as it stands; of JavaScript, and of the language between its slashes. */
export function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}
