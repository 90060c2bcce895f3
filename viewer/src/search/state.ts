/** All of a search as it stands in the address: a link to the page is a link to what is on it. */
import type { Range } from "../time/range";

export interface Column {
  field: string;
  pinned: boolean;
}

/** By field, in characters. */
export type Widths = Readonly<Record<string, number>>;

/** How rows look. */
export interface RowState {
  columns: readonly Column[];
  /** Of columns, in characters: those that a link or saved search brought along. Others are as this browser has them. */
  widths: Widths;
  wrap: boolean;
}

export interface SearchState extends Range, RowState {
  query: string;
  order: "desc" | "asc";
  /** The id of the event whose neighbours stand in the side panel, "" for none. */
  context: string;
}

export const FIRST_RANGE = "-24h";
export const FIRST_COLUMNS: readonly Column[] = ["component", "key"].map((field) => ({ field, pinned: false }));
const EVERYTHING = "all";

export function readState(text: string): SearchState {
  const given = new URLSearchParams(text);
  const from = given.get("from") ?? (given.has("to") ? "" : FIRST_RANGE);
  return {
    query: given.get("q") ?? "",
    from: from === EVERYTHING ? "" : from,
    to: given.get("to") ?? "",
    order: given.get("order") === "asc" ? "asc" : "desc",
    ...readRows(given),
    context: given.get("context") ?? "",
  };
}

export function readRows(given: URLSearchParams): RowState {
  return {
    columns: given.has("cols") ? readColumns(given.get("cols")!) : FIRST_COLUMNS,
    widths: readWidths(given.get("widths") ?? ""),
    wrap: given.get("wrap") === "1",
  };
}

export function writeState(state: SearchState): string {
  const given = new URLSearchParams();
  if (state.query) given.set("q", state.query);
  if (state.from !== FIRST_RANGE) given.set("from", state.from || EVERYTHING);
  else if (state.to) given.set("from", state.from);
  if (state.to) given.set("to", state.to);
  if (state.order === "asc") given.set("order", "asc");
  writeRows(given, state);
  if (state.context) given.set("context", state.context);
  return given.toString();
}

/** Into `given`, in place of what it had of them. */
export function writeRows(given: URLSearchParams, { columns, widths, wrap }: RowState): void {
  for (const name of ["cols", "widths", "wrap"]) given.delete(name);
  if (columns !== FIRST_COLUMNS) given.set("cols", writeColumns(columns));
  const told = Object.entries(widths).map(([field, width]) => `${field}:${width}`);
  if (told.length) given.set("widths", told.join(","));
  if (wrap) given.set("wrap", "1");
}

/** Names with commas among them; `*` in front of one that stays in sight. */
export function readColumns(text: string): Column[] {
  const found: Column[] = [];
  for (const [, star, field] of text.matchAll(/(\*?)((?:"(?:\\.|[^"\\])*"|[^,"])+)/g))
    if (field && found.length < 20) found.push({ field, pinned: star === "*" });
  return found;
}

export function writeColumns(columns: readonly Column[]): string {
  return columns.map(({ field, pinned }) => (pinned ? "*" : "") + field).join(",");
}

function readWidths(text: string): Widths {
  const found: Record<string, number> = {};
  for (const [, field, width] of text.matchAll(/(?<=^|,)((?:"(?:\\.|[^"\\])*"|[^,":])+):(\d{1,3})(?=,|$)/g))
    if (field && Object.keys(found).length < 24) found[field] = Number(width);
  return found;
}

export type Change = (changed: Partial<SearchState>, options?: { replace?: boolean }) => void;

/** The address of a search page, for links. */
export function searchHref(changed: Partial<SearchState>, base = ""): string {
  const written = writeState({ ...readState(base), ...changed });
  return written ? `/?${written}` : "/";
}

/** The live tail of the same query, with the same columns. */
export function tailHref(state: SearchState): string {
  const written = writeState({ ...state, from: FIRST_RANGE, to: "", order: "desc", context: "" });
  return written ? `/tail?${written}` : "/tail";
}
