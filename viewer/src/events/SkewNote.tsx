import { useMemo, useRef } from "react";
import type { LogEvent } from "../api/types";
import { commonSkew, type SkewKind } from "./skew";

const TOLD = {
  corrected:
    "The times of many of these events could not be used, so they stand at when they were received. Look at their senders' clocks, and at how they write times; an opened event has the time that was sent.",
  ahead:
    "Many of these events are from clocks that are ahead of ours. Set those clocks, or choose “when received” as the clock of rows (the wheel at the top right); an opened event says how far ahead.",
} as const;

/** What most events of the list have, as it goes on. */
export function useCommonSkew(events: readonly LogEvent[]): SkewKind | null {
  const before = useRef<SkewKind | null>(null);
  return useMemo(() => {
    before.current = commonSkew(events, before.current);
    return before.current;
  }, [events]);
}

/** Says above a list what its rows would all be marked with, and what to do. Late is no fault where old lines came in. */
export function SkewNote({ common }: { common: SkewKind | null }) {
  if (common === null || common === "late") return null;
  return (
    <p className="partial skew-note" role="status">
      {TOLD[common]}
    </p>
  );
}
