/** Values of events as text. */
import { writeJson } from "./json";

/** What a row shows of a value at most; the rest is behind "show all". */
export const ROW_CHARS_MAX = 1000;
/** What an opened event shows before it asks. */
export const SHOWN_CHARS_MAX = 20_000;

/** Text as it is; anything else as JSON. */
export function valueText(value: unknown): string {
  return typeof value === "string" ? value : writeJson(value);
}

/** The first line of a value that says something, cut to what a row can show. */
export function firstLine(value: unknown): string {
  const text = typeof value === "string" ? value.trimStart() : writeJson(value);
  const end = text.indexOf("\n");
  return end >= 0 && end < ROW_CHARS_MAX ? `${text.slice(0, end).replace(/\r$/, "")} ↵` : cut(text, ROW_CHARS_MAX);
}

/** At most `chars` of it, without half a character at the end. */
export function cut(text: string, chars: number): string {
  if (text.length <= chars) return text;
  const last = text.charCodeAt(chars - 1);
  return `${text.slice(0, last >= 0xd800 && last <= 0xdbff ? chars - 1 : chars)}…`;
}

/** A field of an event by its name in the query language. */
export function fieldOf(event: object, name: string): unknown {
  if (name.startsWith("attributes.")) {
    const attributes = (event as { attributes?: Record<string, unknown> }).attributes;
    return attributes?.[unquoted(name.slice("attributes.".length))];
  }
  return (event as Record<string, unknown>)[name];
}

function unquoted(name: string): string {
  return name.startsWith('"') ? name.slice(1, -1).replace(/\\(["\\])/g, "$1") : name;
}
