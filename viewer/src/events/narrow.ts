import { useSyncExternalStore } from "react";
import { type Column, FIRST_COLUMNS } from "../search/state";

const NARROW = "(max-width: 900px)"; // as in the style sheets
const NONE: readonly Column[] = [];

function subscribe(tell: () => void): () => void {
  const narrow = window.matchMedia(NARROW);
  narrow.addEventListener("change", tell);
  return () => narrow.removeEventListener("change", tell);
}

/** Columns beside time, level and value: on a narrow screen those alone that somebody chose. */
export function useColumns(columns: readonly Column[], areChosen = columns !== FIRST_COLUMNS): readonly Column[] {
  const isNarrow = useSyncExternalStore(subscribe, () => window.matchMedia(NARROW).matches);
  return isNarrow && !areChosen ? NONE : columns;
}
