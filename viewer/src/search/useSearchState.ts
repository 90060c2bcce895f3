import { useCallback, useMemo } from "react";
import { useLocation, useSearch } from "wouter";
import { type Change, readState, type SearchState, writeState } from "./state";

/** The state, and how to change it. Each change is a step that the browser's "back" takes back. */
export function useSearchState(path: string): [SearchState, Change] {
  const text = useSearch();
  const [, go] = useLocation();
  const state = useMemo(() => readState(text), [text]);
  const change = useCallback<Change>(
    (changed, options) => {
      const written = writeState({ ...readState(location.search), ...changed });
      go(written ? `${path}?${written}` : path, { replace: options?.replace ?? false });
    },
    [go, path],
  );
  return [state, change];
}
