/** The search that somebody begins with, as it stands in an address. Small, and so without anything of React. */
import { readState, writeState } from "./state";

/** Of an account or of a browser: `kept` is what the account has, null for who has none; `here` what this browser has,
 * also from before accounts kept it. */
export function startOf(kept: string | null, here: string): string {
  return kept || here;
}

/** Whether both lead to the same page, however they are written. */
export function isSameSearch(one: string, other: string): boolean {
  return writeState(readState(one)) === writeState(readState(other));
}
