/**
 * A row of events as one line of text, its columns set apart with spaces: what a row is until there is time for its cells.
 * Laying out and painting it takes half of the time. Letters wider than others move what follows them.
 */
import type { LogEvent } from "../api/types";
import { setText } from "../text/draw";
import { hasRtl, plain } from "../text/symbols";
import { cut, fieldOf, firstLine, valueText } from "../text/values";
import { rowTime } from "../time/format";
import type { Look } from "./cells";
import type { Placed } from "./columns";

type BriefLook = Pick<Look, "columns" | "zone" | "clock">;

/** Makes `row` show `event`; whatever it showed before is gone. */
export function drawBrief(row: HTMLElement, event: LogEvent, look: BriefLook): void {
  setText(row, briefLine(event, look));
}

export function briefLine(event: LogEvent, look: BriefLook): string {
  const fields = look.columns.map((column) => padded(fieldText(event, column.field, look), column.width));
  return [...fields, isolated(plain(firstLine(event.value)))].join(" ");
}

/** The names of the columns above such lines. */
export function briefHead(columns: readonly Placed[]): string {
  return [...columns.map(({ field, width }) => padded(field, width)), "value"].join(" ");
}

function fieldText(event: LogEvent, field: string, { zone, clock }: BriefLook): string {
  if (field === "time") return rowTime(clock === "server" ? event.received : event.time, zone);
  const value = fieldOf(event, field);
  return value === undefined ? "" : plain(valueText(value));
}

function padded(text: string, width: number): string {
  const shown = text.length > width ? cut(text, width - 1) : text;
  return isolated(shown) + " ".repeat(width - shown.length);
}

/** Its direction of writing ends with it. */
function isolated(text: string): string {
  return hasRtl(text) ? `\u2068${text}\u2069` : text;
}
