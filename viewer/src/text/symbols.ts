/** What cannot be seen is made visible: a log line must never hide or turn round what stands in it. */

// As src/logkeep/api/text.py: C0 and C1 controls but tab and newline, marks that turn the direction of writing, the byte
// order mark, zero-width space, line separators, halves of characters.
export const ODD =
  /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;

const C0 =
  "NUL SOH STX ETX EOT ENQ ACK BEL BS HT LF VT FF CR SO SI DLE DC1 DC2 DC3 DC4 NAK SYN ETB CAN EM SUB ESC FS GS RS US".split(
    " ",
  );

// Letters of scripts that are written from right to left, as Unicode has set blocks aside for them.
const RTL = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\ud802\ud803\ud83a\ud83b]/;

/** Whether some of `text` is of a script that is written from right to left. */
export function hasRtl(text: string): boolean {
  return RTL.test(text);
}

/** A stand-in in letters that every font has: `NUL`, `ESC`, `U+202E`. */
export function symbol(character: string): string {
  const code = character.charCodeAt(0);
  if (code < C0.length) return C0[code]!;
  return code === 0x7f ? "DEL" : `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
}

const ODD_ALL = new RegExp(ODD.source, "g");
const SGR = /\x1b\[[0-9;]{0,32}m/g;

/** On one line, everything odd visible, colours left out: for titles, labels and names. */
export function plain(text: string): string {
  return text.replace(SGR, "").replaceAll("\n", " ↵ ").replace(ODD_ALL, symbol);
}
