/** Changes of a query by clicks: terms added, turned round and taken away, the rest left as it was written. */
import { tokens } from "./tokens";

const PLAIN = /^[A-Za-z0-9_]+$/;

export function quoted(text: string): string {
  return `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}

/** The name of an attribute as a field. */
export function attributeField(name: string): string {
  return `attributes.${/^[A-Za-z_][\w.-]*$/.test(name) ? name : quoted(name)}`;
}

/** The term for events whose `field` is exactly `value`; an empty value: who do not have it. */
export function term(field: string, value: string, wanted: boolean): string {
  if (value === "") return wanted ? `-${field}:*` : `${field}:*`;
  const plain = PLAIN.test(value) && !/^(?:and|or|not)$/i.test(value);
  return `${field}${wanted ? "=" : "!="}${plain ? value : quoted(value)}`;
}

/** `query` with `added`; with it already there, without it: a second click takes the first one back. */
export function toggled(query: string, added: string, opposite = ""): string {
  const { filter, stages } = split(query);
  const without = removed(filter, added);
  if (without !== null) return joined(without, stages);
  const rest = (opposite ? removed(filter, opposite) : null) ?? filter;
  return joined(rest ? `${hasOr(rest) ? `(${rest})` : rest} ${added}` : added, stages);
}

/** What stands before the first stage, and the stages with their bars. */
export function split(query: string): { filter: string; stages: string } {
  const bar = tokens(query).find((token) => token.kind === "pipe");
  if (!bar) return { filter: query.trim(), stages: "" };
  return { filter: query.slice(0, bar.from).trim(), stages: query.slice(bar.from).trim() };
}

function joined(filter: string, stages: string): string {
  return stages ? `${filter || "*"} ${stages}` : filter;
}

/** `filter` without the term at its outermost level; null when it does not stand there. */
function removed(filter: string, wanted: string): string | null {
  let at = filter.indexOf(wanted);
  while (at >= 0) {
    const before = filter.slice(0, at);
    const after = filter.slice(at + wanted.length);
    const alone = (before === "" || /\s$/.test(before)) && (after === "" || /^\s/.test(after));
    if (alone && depth(before) === 0 && !hasOr(filter) && !/\b(?:not|and)\s*$/i.test(before))
      return `${before.trimEnd()} ${after.trimStart()}`.trim();
    at = filter.indexOf(wanted, at + 1);
  }
  return null;
}

function depth(text: string): number {
  let open = 0;
  for (const token of tokens(text)) if (token.kind === "paren") open += token.text === "(" ? 1 : -1;
  return open;
}

/** There is an `or` outside all parentheses. */
function hasOr(filter: string): boolean {
  let open = 0;
  for (const token of tokens(filter)) {
    if (token.kind === "paren") open += token.text === "(" ? 1 : -1;
    if (open === 0 && token.kind === "keyword" && token.text.toLowerCase() === "or") return true;
  }
  return false;
}

/** Whether the query ends in a table instead of events. */
export function makesTable(query: string): boolean {
  const { stages } = split(query);
  const first = tokens(stages).find((token) => token.kind !== "pipe");
  return first !== undefined && /^(?:count|rate|uniq|sum|avg|min|max|p\d\d|top|patterns),?$/i.test(first.text);
}
