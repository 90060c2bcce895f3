import { memo, useLayoutEffect, useRef } from "react";
import type { LogEvent } from "../api/types";
import { drawBrief } from "./brief";
import { drawCells, type Look } from "./cells";

interface Props {
  event: LogEvent;
  look: Look;
  /** Of its element. */
  id: string;
  /** Among all rows. */
  index: number;
  isOpen: boolean;
  isSelected: boolean;
  isCurrent: boolean;
  /** Until there is time for its cells, which a row that is not busy must have. */
  isBrief: boolean;
}

/** One event in one line, or wrapped. */
export const EventRow = memo(function EventRow(props: Props) {
  const { event, look, id, index, isOpen, isSelected, isCurrent, isBrief } = props;
  const row = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => (isBrief ? drawBrief : drawCells)(row.current!, event, look), [event, look, isBrief]);
  return (
    <div
      ref={row}
      id={id}
      role="row"
      aria-rowindex={index + 1}
      aria-expanded={isOpen}
      aria-selected={isSelected}
      aria-busy={isBrief || undefined}
      data-row={index}
      className={`row lv-row-${event.level || "none"}${isCurrent ? " this" : ""}${isBrief ? " brief" : ""}`}
    />
  );
});
