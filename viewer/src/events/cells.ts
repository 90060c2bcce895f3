/**
 * The cells of a row of events, drawn without React: a screen has hundreds of them, and all change when somebody scrolls.
 * A row that is drawn again keeps its elements; only texts change.
 */
import type { LogEvent } from "../api/types";
import type { Clock } from "../app/preferences";
import { issueHref, issueOf } from "../issues/links";
import type { Marks } from "../query/marks";
import { drawText, lineOf, made, setText } from "../text/draw";
import { hasRtl, plain } from "../text/symbols";
import { cut, fieldOf, firstLine, valueText } from "../text/values";
import { dateTime, rowTime, type Zone } from "../time/format";
import { colourOf, levelClass } from "../ui/levels";
import { type Placed, pinVariable } from "./columns";
import { type SkewKind, skewOf } from "./skew";

/** How rows of a table are drawn. */
export interface Look {
  columns: readonly Placed[];
  marks: Marks | null;
  wrap: boolean;
  zone: Zone;
  /** Whose clock the first column shows. */
  clock: Clock;
  /** What most of the list has: no mark for that. */
  commonSkew: SkewKind | null;
}

const WRAPPED_CHARS_MAX = 4000;
const FIELD_CHARS_MAX = 200;

const drawnColumns = new WeakMap<HTMLElement, readonly Placed[]>();

/** Fills `row` with the cells of `event`: one line, or wrapped. */
export function drawCells(row: HTMLElement, event: LogEvent, look: Look): void {
  const { columns } = look;
  if (drawnColumns.get(row) !== columns || !row.firstElementChild) {
    row.replaceChildren(...columns.map(emptyCell), emptyValue());
    drawnColumns.set(row, columns);
  }
  let cell = row.firstElementChild as HTMLElement;
  for (const { field } of columns) {
    drawField(cell, event, field, look);
    cell = cell.nextElementSibling as HTMLElement;
  }
  drawValue(cell, event, look);
}

function emptyCell({ field, pinned }: Placed, index: number): HTMLElement {
  const cell = made(
    "div",
    `cell cell-${field.startsWith("attributes.") ? "attribute" : field}${pinned ? " pinned" : ""}`,
  );
  cell.role = "gridcell";
  cell.dataset.field = field;
  if (pinned) cell.style.left = pinVariable(index);
  if (field === "time") cell.append(made("span", "day"), "");
  else if (field === "level" || field === "component") cell.append(made("span", ""));
  return cell;
}

function emptyValue(): HTMLElement {
  const cell = made("div", "cell cell-value");
  cell.role = "gridcell";
  return cell;
}

function drawField(cell: HTMLElement, event: LogEvent, field: string, look: Look): void {
  if (field === "time") drawTime(cell, look.clock === "server" ? event.received : event.time, look.zone);
  else if (field === "level") drawLevel(cell.firstElementChild as HTMLElement, event.level);
  else drawOther(cell, field, fieldOf(event, field));
}

function drawTime(cell: HTMLElement, time: string, zone: Zone): void {
  const text = rowTime(time, zone);
  cell.title = dateTime(time, zone);
  setText(cell.firstElementChild as HTMLElement, text.slice(0, 6));
  cell.lastChild!.nodeValue = text.slice(6);
}

function drawLevel(element: HTMLElement, level: string | undefined): void {
  element.className = levelClass(level);
  setText(element, level || "");
}

function drawOther(cell: HTMLElement, field: string, value: unknown): void {
  const text = value === undefined || value === "" ? "" : plain(cut(valueText(value), FIELD_CHARS_MAX));
  if (text) cell.title = text;
  else cell.removeAttribute("title");
  const name = field === "component" ? (cell.firstElementChild as HTMLElement) : cell;
  if (name !== cell) name.className = text ? `badge c${colourOf(String(value))}` : "";
  if (hasRtl(text)) name.replaceChildren(made("bdi", "", text));
  else setText(name, text);
}

function drawValue(cell: HTMLElement, event: LogEvent, { marks, wrap, commonSkew }: Look): void {
  const text = wrap ? cut(valueText(event.value), WRAPPED_CHARS_MAX) : firstLine(event.value);
  const before = notesOf(event, commonSkew);
  const name = lineOf(text);
  let line = cell.lastElementChild as HTMLElement | null;
  if (before.length || line?.localName !== name || line !== cell.firstChild) {
    line = made(name, "shown");
    cell.replaceChildren(...before, line);
  }
  drawText(line, text, marks);
}

/** What stands before the value of an event that is no plain one. */
function notesOf(event: LogEvent, commonSkew: SkewKind | null): HTMLElement[] {
  const found: HTMLElement[] = [];
  const skew = skewOf(event);
  if (skew && skew.kind !== commonSkew) {
    const mark = made("span", `skew-mark skew-${skew.kind}`, skew.short);
    mark.title = skew.text;
    found.push(mark);
  }
  if (event.update) {
    const updated = made("span", "updated", "updated");
    updated.title = "this value took the place of an older one";
    found.push(updated);
  }
  const told = issueOf(event);
  if (told) {
    const link = made("a", `kind kind-${told.kind} issue-mark`, told.kind) as HTMLAnchorElement;
    link.href = `/app${issueHref(told.issue)}`;
    link.title = "to the issue";
    found.push(link);
  }
  return found;
}
