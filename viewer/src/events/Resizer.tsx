import { type KeyboardEvent, type PointerEvent, useRef } from "react";
import { bounded, WIDTH_MAX, WIDTH_MIN } from "./columns";

interface Props {
  field: string;
  /** In characters. */
  width: number;
  /** width: null for what it is at first. */
  onWidth: (field: string, width: number | null, kept: boolean) => void;
}

const STEPS: Record<string, number> = { ArrowLeft: -1, ArrowRight: 1 };
const BIG_STEP = 5; // with shift

/** The edge of a column: it is dragged, or moved with the arrow keys; twice clicked (or Home) it is as at first. */
export function Resizer({ field, width, onWidth }: Props) {
  const drag = useRef<{ x: number; px: number } | null>(null);
  const begin = (event: PointerEvent<HTMLElement>) => {
    if (event.button !== 0) return;
    event.preventDefault();
    event.currentTarget.setPointerCapture(event.pointerId);
    const cell = event.currentTarget.parentElement!.getBoundingClientRect();
    drag.current = { x: event.clientX, px: cell.width / width };
  };
  const dragged = (event: PointerEvent) =>
    drag.current ? bounded(width + (event.clientX - drag.current.x) / drag.current.px) : width;
  const end = (event: PointerEvent) => {
    const wanted = dragged(event);
    drag.current = null;
    if (wanted !== width) onWidth(field, wanted, true);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const step = (STEPS[event.key] ?? 0) * (event.shiftKey ? BIG_STEP : 1);
    if (!step && event.key !== "Home") return;
    event.preventDefault();
    event.stopPropagation();
    onWidth(field, step ? bounded(width + step) : null, true);
  };
  return (
    <span
      role="separator"
      tabIndex={0}
      className="resizer"
      aria-orientation="vertical"
      aria-label={`Width of ${field}`}
      aria-valuenow={width}
      aria-valuemin={WIDTH_MIN}
      aria-valuemax={WIDTH_MAX}
      title="drag to resize, click twice for the width of before"
      onPointerDown={begin}
      onPointerMove={(event) => drag.current && onWidth(field, dragged(event), false)}
      onPointerUp={(event) => drag.current && end(event)}
      onPointerCancel={(event) => drag.current && end(event)}
      onDoubleClick={() => onWidth(field, null, true)}
      onKeyDown={onKeyDown}
    />
  );
}
