import { memo } from "react";
import type { LogEvent } from "../api/types";
import type { Clock } from "../app/preferences";
import { issueOf } from "../issues/links";
import { IssueMark } from "../issues/Marks";
import { Shown } from "../text/Shown";
import { plain } from "../text/symbols";
import { cut, fieldOf, firstLine, valueText } from "../text/values";
import { dateTime, rowTime, type Zone } from "../time/format";
import { colourOf, Level } from "../ui/Level";
import { type Placed, pinVariable } from "./columns";
import { skewOf } from "./skew";

interface Props {
  event: LogEvent;
  columns: readonly Placed[];
  marks: RegExp | null;
  wrap: boolean;
  zone: Zone;
  /** Whose clock the first column shows. */
  clock: Clock;
  /** Most of the list came late: no mark for that. */
  areLate: boolean;
}

const WRAPPED_CHARS_MAX = 4000;

/** The cells of one event: one line, or wrapped. */
export const EventCells = memo(function EventCells({ event, columns, marks, wrap, zone, clock, areLate }: Props) {
  const told = issueOf(event);
  const skew = skewOf(event);
  return (
    <>
      {columns.map((column, index) => (
        <div
          key={column.field}
          role="gridcell"
          className={`cell cell-${column.field.startsWith("attributes.") ? "attribute" : column.field}${column.pinned ? " pinned" : ""}`}
          style={column.pinned ? { left: pinVariable(index) } : undefined}
          data-field={column.field}
        >
          <Cell event={event} field={column.field} zone={zone} clock={clock} />
        </div>
      ))}
      <div role="gridcell" className="cell cell-value">
        {skew && !(areLate && skew.kind === "late") && (
          <span className={`skew-mark skew-${skew.kind}`} title={skew.text}>
            {skew.short}
          </span>
        )}
        {event.update && (
          <span className="updated" title="this value took the place of an older one">
            updated
          </span>
        )}
        {told && <IssueMark {...told} />}
        <Shown text={wrap ? cut(valueText(event.value), WRAPPED_CHARS_MAX) : firstLine(event.value)} marks={marks} />
      </div>
    </>
  );
});

function Cell({ event, field, zone, clock }: { event: LogEvent; field: string; zone: Zone; clock: Clock }) {
  if (field === "time") {
    const time = clock === "server" ? event.received : event.time;
    const text = rowTime(time, zone);
    return (
      <span title={dateTime(time, zone)}>
        <span className="day">{text.slice(0, 6)}</span>
        {text.slice(6)}
      </span>
    );
  }
  if (field === "level") return <Level level={event.level} />;
  const value = fieldOf(event, field);
  if (value === undefined || value === "") return null;
  const text = plain(cut(valueText(value), 200));
  if (field === "component") return <bdi className={`badge c${colourOf(String(value))}`}>{text}</bdi>;
  return <bdi title={text}>{text}</bdi>;
}
