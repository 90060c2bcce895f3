/** How much of a day's limit is used, and when it is there again. */
import type { DayUse, Limits } from "./types";

const HOURS_A_DAY = 24;

export interface Filled {
  /** 0 to 1; null without a limit. */
  part: number | null;
  /** Milliseconds until all of it may come at once again; 0 when it may now. */
  fullInMs: number;
}

/** A bucket that fills again all the time, a 24th of the limit an hour (src/logkeep/counters/usage.py). */
export function filled({ limit, left }: DayUse): Filled {
  if (!limit || left === null) return { part: null, fullInMs: 0 };
  const missing = Math.min(Math.max(limit - left, 0), limit);
  return { part: missing / limit, fullInMs: Math.round((missing / limit) * HOURS_A_DAY * 3_600_000) };
}

/** Whether anything is limited; receivers count what an app sends only then (InForce.any in metastore/limits.py). */
export function isLimited({ in_force: { components, burst_events: _, ...amounts } }: Limits): boolean {
  return Object.values(amounts).some((each) => each > 0) || Object.keys(components ?? {}).length > 0;
}

/** What a person typed: null as the settings say, undefined no number. */
export function amount(text: string): number | null | undefined {
  const clean = text.replaceAll(/[\s,_]/g, "");
  if (!clean) return null;
  return /^\d{1,15}(\.\d+)?$/.test(clean) ? Number(clean) : undefined;
}

export function typed(value: number | null | undefined): string {
  return value === null || value === undefined ? "" : String(value);
}

/** Whether keeping so many days takes away some of those kept now; a number that the API refuses takes none. */
export function erases(days: number | null, kept: number): boolean {
  return days !== null && Number.isInteger(days) && days >= 1 && days < kept;
}

export function daysText(days: number | null): string {
  return days === 1 ? "1 day" : `${days} days`;
}
