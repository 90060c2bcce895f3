import { told } from "../api/told";
import { isBeyondRetention, type Range } from "../time/range";

/** Why there is nothing: what `title` says, or that the range is before all that is kept. */
export function withoutAny(title: string, range: Range): string {
  const days = told.retention_days;
  if (!isBeyondRetention(range, Date.now(), days)) return title;
  return `This range is outside retention: events are kept for ${days} days`;
}
