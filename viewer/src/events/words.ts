/** Words of a message, as a query can look for them. Pure. */
import { quoted } from "../query/edit";
import { escapeRegExp } from "../query/tokens";

const BETWEEN = /[\s"'`()[\]{}<>,;=|]+/;
const EDGES = /^[^\p{L}\p{N}]+|[^\p{L}\p{N}]+$/gu;
const PLAIN = /^[\p{L}\p{N}]+$/u;
const COLOURS = /\x1b\[[0-9;]*m/g;
const WORD_CHARS_MAX = 200;
const WORDS_MAX = 80;
const LOOKED_AT_CHARS = 4000;

/** The word around `offset`, with what holds it together inside: `10.0.0.1`, `Bank.java:93`. "" between words. */
export function wordAt(text: string, offset: number): string {
  let from = offset;
  let to = offset;
  while (from > 0 && !BETWEEN.test(text[from - 1]!)) from -= 1;
  while (to < text.length && !BETWEEN.test(text[to]!)) to += 1;
  return trimmed(text.slice(from, to));
}

/** The different words of a message, in order. */
export function wordsOf(text: string): string[] {
  const found = new Set<string>();
  for (const part of text.slice(0, LOOKED_AT_CHARS).replaceAll(COLOURS, " ").split(BETWEEN)) {
    const word = trimmed(part);
    if (word) found.add(word);
    if (found.size >= WORDS_MAX) break;
  }
  return [...found];
}

function trimmed(part: string): string {
  const word = part.replace(EDGES, "");
  return word.length <= WORD_CHARS_MAX ? word : "";
}

/** The term for messages with `word` of `text`, or without it. */
export function wordTerm(word: string, text: string, wanted = true): string {
  const plain = PLAIN.test(word) && !/^(?:and|or|not)$/i.test(word);
  const said = isGlued(word, text) ? `value:/${escapeRegExp(word)}/` : plain ? word : quoted(word);
  return `${wanted ? "" : "-"}${said}`;
}

/** Whether it stands behind a colour sequence and nowhere else: of `ESC[31mERROR` the word is `31mERROR`. */
function isGlued(word: string, text: string): boolean {
  if (!word || !text.includes("\x1b[")) return false;
  const coloured = new RegExp(`${COLOURS.source}${escapeRegExp(word)}`, "u");
  return coloured.test(text) && !text.replaceAll(new RegExp(coloured, "gu"), " ").includes(word);
}
