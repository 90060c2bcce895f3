import { useSyncExternalStore } from "react";
import { type Column, FIRST_COLUMNS } from "../search/state";

const NARROW = "(max-width: 900px)"; // as in the style sheets
const NONE: readonly Column[] = [];

let list: MediaQueryList | undefined; // made once: to ask the window each time is to have the page laid out

function narrow(): MediaQueryList {
  list ??= window.matchMedia(NARROW);
  return list;
}

function subscribe(tell: () => void): () => void {
  narrow().addEventListener("change", tell);
  return () => narrow().removeEventListener("change", tell);
}

const isNarrowNow = () => narrow().matches;

/** Columns beside time, level and value: on a narrow screen those alone that somebody chose. */
export function useColumns(columns: readonly Column[], areChosen = columns !== FIRST_COLUMNS): readonly Column[] {
  const isNarrow = useSyncExternalStore(subscribe, isNarrowNow);
  return isNarrow && !areChosen ? NONE : columns;
}
