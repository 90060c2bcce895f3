/** How far a sender's clock was from ours when its event came. */
import type { LogEvent } from "../api/types";
import { span } from "../time/format";

const FAR_MS = 60_000; // between the two clocks that is worth a word
const SAMPLE_EVENTS = 200;

export type SkewKind = "ahead" | "late" | "corrected";

export interface Skew {
  kind: SkewKind;
  /** For a mark in a row. */
  short: string;
  text: string;
}

/** null: the two agree, but for the way between them. */
export function skewOf({ time, received, attributes }: LogEvent): Skew | null {
  const sent = attributes?.sent_time;
  if (sent !== undefined)
    return {
      kind: "corrected",
      short: "clock?",
      text: `the sender's time was ${readable(String(sent))}: older than what is kept, too far ahead or no time; this is when it was received`,
    };
  const late = Date.parse(received) - Date.parse(time);
  if (late <= -FAR_MS)
    return { kind: "ahead", short: `clock +${rough(-late)}`, text: `the sender's clock is ${span(-late)} ahead` };
  if (late >= FAR_MS)
    return {
      kind: "late",
      short: `late ${rough(late)}`,
      text: `received ${span(late)} later: it was kept by the sender, or its clock is behind`,
    };
  return null;
}

// As few rows can have their marks. That old lines were brought in together is said nowhere, so it needs no number.
const LEAST_EVENTS: readonly (readonly [SkewKind, number])[] = [
  ["corrected", 4],
  ["ahead", 4],
  ["late", 1],
];

/**
 * What more than half of a list's events have, where a mark on each row says nothing; null for none. `before`: what it was
 * when the list was shorter. That goes on while more than a quarter have it: what is told above rows must not come and go.
 */
export function commonSkew(events: readonly LogEvent[], before: SkewKind | null = null): SkewKind | null {
  const kinds = events.slice(0, SAMPLE_EVENTS).map((event) => skewOf(event)?.kind);
  for (const [kind, least] of LEAST_EVENTS) {
    const having = kinds.filter((each) => each === kind).length;
    if (having >= least && having * (kind === before ? 4 : 2) > kinds.length) return kind;
  }
  return null;
}

/** A date for a number of seconds, or of their thousandths, millionths or billionths. */
function readable(sent: string): string {
  return /^(?:\d{10}|\d{13}|\d{16}|\d{19})$/.test(sent)
    ? new Date(Number(sent.slice(0, 13).padEnd(13, "0"))).toISOString()
    : sent;
}

function rough(ms: number): string {
  return span(ms).split(" ").slice(0, 2).join("\u202f");
}
