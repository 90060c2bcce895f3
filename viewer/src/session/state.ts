/** What one has chosen on a session's page as it stands in the address, beside the session itself. Pure. */
import { type RowState, readRows, writeRows } from "../search/state";

export interface SessionState extends RowState {
  /** What lines must have to be shown, as it was typed; "" for all. */
  only: string;
  /** Components whose rows are not shown; "" is that of events without one. */
  hidden: ReadonlySet<string>;
}

export function readSession(given: URLSearchParams): SessionState {
  return { ...readRows(given), only: given.get("only") ?? "", hidden: new Set(given.getAll("hide")) };
}

/** Into `given`, in place of what it had of them. */
export function writeSession(given: URLSearchParams, state: SessionState): void {
  writeRows(given, state);
  for (const name of ["only", "hide"]) given.delete(name);
  if (state.only) given.set("only", state.only);
  for (const component of state.hidden) given.append("hide", component);
}
