/** A session as lanes: where its events lie in time, by component. Pure. */
import type { LogEvent } from "../api/types";

export interface Lane {
  component: string;
  /** Event numbers of the lane, in order. */
  events: number[];
  /** A path of strokes per level, in a box of 1000 × LANE. */
  paths: Record<string, string>;
}

export const LANE = 16;
const BAD = /^(?:error|fatal)$/;

export interface Timeline {
  lanes: Lane[];
  /** 0 to 1000, of each event. */
  places: number[];
  start: number;
  end: number;
}

export function timeline(events: readonly LogEvent[], order: readonly string[]): Timeline {
  const times = events.map((event) => Date.parse(event.time));
  const start = times[0] ?? 0;
  const end = Math.max(start + 1, times[times.length - 1] ?? 0);
  const places = times.map((time) => Math.round(((time - start) / (end - start)) * 9900) / 10 + 5);
  const lanes = new Map(order.map((component) => [component, { component, events: [], paths: {} } as Lane]));
  for (const [index, event] of events.entries()) {
    const lane = lanes.get(event.component ?? "");
    if (!lane) continue;
    const level = event.level || "none";
    const [top, length] = BAD.test(level) ? [1, LANE - 2] : [4, LANE - 8];
    lane.events.push(index);
    lane.paths[level] = `${lane.paths[level] ?? ""}M${places[index]} ${top}v${length}`;
  }
  return { lanes: [...lanes.values()], places, start, end };
}

/** The event of a lane that is nearest to a place. */
export function nearest({ places }: Timeline, lane: Lane, place: number): number | undefined {
  let best: number | undefined;
  for (const index of lane.events)
    if (best === undefined || Math.abs(places[index]! - place) < Math.abs(places[best]! - place)) best = index;
  return best;
}
