import type { Cost } from "../api/types";
import { bytes, count } from "../text/numbers";
import { dateTime, type Zone } from "../time/format";

/** What the answer cost; people who pay for machines like to know. */
export function CostLine({ cost }: { cost: Cost }) {
  return (
    <span className="note cost">
      {cost.took_ms.toFixed(1)} ms · {count(cost.rows_read)} rows, {bytes(cost.bytes_read)} read
    </span>
  );
}

const LIMITS = { time: "its time", rows: "its rows", bytes: "its bytes", memory: "its memory" } as const;

/** The answer is not everything, and how far it goes. */
export function PartialNote({ cost, zone }: { cost: Cost | undefined; zone: Zone }) {
  if (!cost?.partial) return null;
  return (
    <p className="partial" role="status">
      This is a part: the query used up {LIMITS[cost.partial]}
      {cost.reached ? `, at ${dateTime(cost.reached, zone)}` : ""}. A shorter range or a narrower query gives all of it.
    </p>
  );
}
