/**
 * Which rows are in the page, and which of them with their cells. Rows beside those in sight are for whoever scrolls on.
 * While somebody scrolls faster than anybody reads, rows that come are drawn in brief; at first and after a jump only those
 * in sight. Once it is calm they get their cells, some in each frame, then those beside them.
 */
import { defaultRangeExtractor, type Range } from "@tanstack/react-virtual";
import { useCallback, useEffect, useRef, useState } from "react";

const FAST_ROWS = 6; // between two frames
const CALM_MS = 100; // since it was fast
const ROWS_A_FRAME = 12; // that get their cells

/** What of a table is in the page. Rows are named by their index; ranges are half-open. */
export class Nearby {
  private start = 0;
  private shown = { from: 0, to: 0 };
  private celled = { from: 0, to: 0 };
  private isBare = true; // only those in sight

  /** The rows for what is in sight of a list that is followed: fast as it may be, they are looked at. */
  follow(range: Range): number[] {
    this.start = range.startIndex;
    this.isBare = false;
    this.celled = { from: 0, to: Number.POSITIVE_INFINITY };
    return defaultRangeExtractor(range);
  }

  /** The rows for what is in sight now, and whether it got there fast. */
  take(range: Range): { rows: number[]; isFast: boolean } {
    const moved = Math.abs(range.startIndex - this.start);
    const isFast = moved > FAST_ROWS;
    this.start = range.startIndex;
    if (moved > range.endIndex - range.startIndex) this.isBare = true;
    const rows = defaultRangeExtractor(this.isBare ? { ...range, overscan: 0 } : range);
    const shown = { from: rows[0] ?? 0, to: (rows.at(-1) ?? -1) + 1 };
    if (isFast) this.celled = common(common(this.celled, this.shown), shown);
    this.shown = shown;
    return { rows, isFast };
  }

  hasCells(index: number): boolean {
    return index >= this.celled.from && index < this.celled.to;
  }

  /** Gives some more rows their cells, or has those beside them come. False: nothing is left to do. */
  detail(): boolean {
    const { celled, shown } = this;
    if (celled.to < shown.to) celled.to += ROWS_A_FRAME;
    else if (celled.from > shown.from) celled.from -= ROWS_A_FRAME;
    else if (this.isBare) this.isBare = false;
    else {
      this.celled = { from: 0, to: Number.POSITIVE_INFINITY };
      return false;
    }
    return true;
  }
}

/** What two ranges share; where they share nothing, none of the second, at its beginning. */
function common(one: { from: number; to: number }, other: { from: number; to: number }) {
  const [from, to] = [Math.max(one.from, other.from), Math.min(one.to, other.to)];
  return from < to ? { from, to } : { from: other.from, to: other.from };
}

/** `isFollowed`: the table shows the end of a list that grows. */
export function useNearby(isFollowed: boolean): {
  extract: (range: Range) => number[];
  hasCells: (index: number) => boolean;
} {
  const [nearby] = useState(() => new Nearby());
  const [steps, setSteps] = useState(0);
  const next = useRef(() => {}); // takes back what was to come
  const step = useCallback(() => {
    if (nearby.detail()) {
      const frame = requestAnimationFrame(step);
      next.current = () => cancelAnimationFrame(frame);
    }
    setSteps((before) => before + 1);
  }, [nearby]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another function, so that rows are chosen anew
  const extract = useCallback(
    (range: Range) => {
      if (isFollowed) return nearby.follow(range);
      const { rows, isFast } = nearby.take(range);
      if (isFast) {
        next.current();
        const timer = setTimeout(step, CALM_MS);
        next.current = () => clearTimeout(timer);
      }
      return rows;
    },
    [nearby, step, steps, isFollowed],
  );
  useEffect(() => {
    const frame = requestAnimationFrame(step);
    next.current = () => cancelAnimationFrame(frame);
    return () => next.current();
  }, [step]);
  return { extract, hasCells: (index) => nearby.hasCells(index) };
}
