import { memo, type ReactNode } from "react";
import type { LogEvent } from "../api/types";
import type { Clock } from "../app/preferences";
import { issueOf } from "../issues/links";
import { IssueMark } from "../issues/Marks";
import type { Marks } from "../query/marks";
import { Shown } from "../text/Shown";
import { hasRtl, plain } from "../text/symbols";
import { cut, fieldOf, firstLine, valueText } from "../text/values";
import { dateTime, rowTime, type Zone } from "../time/format";
import { colourOf, Level } from "../ui/Level";
import { type Placed, pinVariable } from "./columns";
import { type SkewKind, skewOf } from "./skew";

interface Props {
  event: LogEvent;
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

/** The cells of one event: one line, or wrapped. */
export const EventCells = memo(function EventCells({ event, columns, marks, wrap, zone, clock, commonSkew }: Props) {
  const told = issueOf(event);
  const skew = skewOf(event);
  return (
    <>
      {columns.map((column, index) => (
        <Cell key={column.field} event={event} column={column} left={pinVariable(index)} zone={zone} clock={clock} />
      ))}
      <div role="gridcell" className="cell cell-value">
        {skew && skew.kind !== commonSkew && (
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

interface CellProps {
  event: LogEvent;
  column: Placed;
  /** Where it stays when it is pinned, in CSS. */
  left: string;
  zone: Zone;
  clock: Clock;
}

/** As few elements as it can do with: a screen of rows has hundreds, and all change when somebody scrolls. */
function Cell({ event, column, left, zone, clock }: CellProps) {
  const { field, pinned } = column;
  const { title, content } = contentOf(event, field, zone, clock);
  const name = field.startsWith("attributes.") ? "attribute" : field;
  return (
    <div
      role="gridcell"
      className={`cell cell-${name}${pinned ? " pinned" : ""}`}
      style={pinned ? { left } : undefined}
      data-field={field}
      title={title}
    >
      {content}
    </div>
  );
}

function contentOf(event: LogEvent, field: string, zone: Zone, clock: Clock): { title?: string; content: ReactNode } {
  if (field === "time") {
    const time = clock === "server" ? event.received : event.time;
    const text = rowTime(time, zone);
    const content = (
      <>
        <span className="day">{text.slice(0, 6)}</span>
        {text.slice(6)}
      </>
    );
    return { title: dateTime(time, zone), content };
  }
  if (field === "level") return { content: <Level level={event.level} /> };
  const value = fieldOf(event, field);
  if (value === undefined || value === "") return { content: null };
  const text = plain(cut(valueText(value), 200));
  const shown = hasRtl(text) ? <bdi>{text}</bdi> : text;
  if (field !== "component") return { title: text, content: shown };
  return { title: text, content: <span className={`badge c${colourOf(String(value))}`}>{shown}</span> };
}
