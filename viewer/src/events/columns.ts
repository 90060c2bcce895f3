/** How wide the columns of a table of events are; the value has what is left. */
import type { Column } from "../search/state";

const WIDTHS: Record<string, number> = {
  time: 19,
  level: 6,
  component: 14,
  key: 18,
  session: 22,
  user: 14,
  device: 16,
  id: 30,
  received: 24,
};
const OTHER_WIDTH = 16;
export const WIDTH_MIN = 4;
export const WIDTH_MAX = 120;

export function widthAtFirst(field: string): number {
  return WIDTHS[field] ?? OTHER_WIDTH;
}

export function bounded(width: number): number {
  return Math.max(WIDTH_MIN, Math.min(WIDTH_MAX, Math.round(width) || OTHER_WIDTH));
}

export interface Placed extends Column {
  /** In characters. */
  width: number;
  /** Of a pinned column: the characters before it. */
  left: number;
}

/** Time and level are always there, in sight; pinned columns follow them. */
export function placed(columns: readonly Column[], widths: Readonly<Record<string, number>> = {}): Placed[] {
  const always: Column[] = ["time", "level"].map((field) => ({ field, pinned: true }));
  const chosen = columns.filter(({ field }) => field !== "time" && field !== "level" && field !== "value");
  const sorted = [...always, ...chosen.filter(({ pinned }) => pinned), ...chosen.filter(({ pinned }) => !pinned)];
  let left = 0;
  return sorted.map((column) => {
    const width = bounded(widths[column.field] ?? widthAtFirst(column.field));
    const found = { ...column, width, left };
    left += width + 1;
    return found;
  });
}

/** What all rows take their columns from: changed in one place, none of them is made again. */
export function variables(columns: readonly Placed[]): Record<string, string> {
  const found: Record<string, string> = { "--columns": template(columns), "--chosen": widths(columns.slice(2)) };
  for (const [index, { pinned, left }] of columns.entries()) if (pinned) found[`--pin-${index}`] = `${left}ch`;
  return found;
}

export function pinVariable(index: number): string {
  return `var(--pin-${index})`;
}

function template(columns: readonly Placed[]): string {
  return `${widths(columns)} minmax(var(--value-width), 1fr)`; // as styles/rows.css says
}

function widths(columns: readonly Placed[]): string {
  return columns.map(({ width }) => `${width}ch`).join(" ");
}
