/** Saved searches of the app: what the server keeps of a search page, and back. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { ask, send } from "../api/client";
import type { SavedSearch } from "../api/types";
import { FIRST_COLUMNS, readColumns, type SearchState, type Widths, writeColumns } from "./state";

const KEY = ["searches"];

export function useSaved(enabled: boolean) {
  return useQuery({
    queryKey: KEY,
    enabled,
    queryFn: async ({ signal }) => (await ask<{ searches: SavedSearch[] }>("/api/v1/searches", {}, signal)).searches,
  });
}

/** A change of the list; afterwards it is read again. */
export function useChange<Input>(change: (input: Input) => Promise<unknown>) {
  const client = useQueryClient();
  return useMutation({ mutationFn: change, onSettled: () => client.invalidateQueries({ queryKey: KEY }) });
}

/** What of a page is kept: not which event is open. own: the widths that this browser keeps. */
export function kept({ query, from, to, order, columns, widths }: SearchState, own: Widths = {}) {
  const shown = ["time", "level", ...columns.map(({ field }) => field)];
  const all = { ...own, ...widths };
  return {
    query,
    from,
    to,
    order,
    columns: columns.map((column) => writeColumns([column])),
    widths: Object.fromEntries(shown.filter((field) => all[field]).map((field) => [field, all[field]!])),
  };
}

export function opened({ search }: SavedSearch): Partial<SearchState> {
  const { query = "", from = "", to = "", order, columns = [], widths = {} } = search;
  const chosen = columns.join(",");
  return {
    query,
    from,
    to,
    order: order === "asc" ? "asc" : "desc",
    columns: chosen === writeColumns(FIRST_COLUMNS) ? FIRST_COLUMNS : readColumns(chosen),
    widths,
    context: "",
  };
}

export const save = ({ name, search }: { name: string; search: ReturnType<typeof kept> }) =>
  send("POST", "/api/v1/searches", { name, search });

export const replace = ({ saved, search }: { saved: SavedSearch; search: ReturnType<typeof kept> }) =>
  send("PATCH", `/api/v1/searches/${saved.id}`, { version: saved.version, search });

export const remove = (saved: SavedSearch) => send("DELETE", `/api/v1/searches/${saved.id}`);

/** The query of a saved search joined to the one at hand: both must be met. */
export function joinedQuery(query: string, more: string): string {
  if (!query.trim()) return more;
  return more.trim() ? `(${query}) (${more})` : query;
}
