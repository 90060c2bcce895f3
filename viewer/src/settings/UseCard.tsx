import { Fragment } from "react";
import { usePreferences } from "../app/preferences";
import { bytes, count } from "../text/numbers";
import { minute, span } from "../time/format";
import type { DayUse, Limits } from "./types";
import { filled, isLimited } from "./use";

const PHASES = {
  within: null,
  grace: "Over a day's limit: senders are slowed, and nothing is left out yet.",
  over: "Over a day's limit for too long: what is over it is left out.",
} as const;

/** What came in the last 24 hours, as bars of the limits. */
export function UseCard({ limits }: { limits: Limits }) {
  const { zone } = usePreferences();
  const { use } = limits;
  return (
    <section className="card">
      <h2>
        Use <span className="note">in the last 24 hours, counted since there is a limit</span>
      </h2>
      {!isLimited(limits) && (
        <p className="note">
          Nothing is limited, so nothing is counted here; what was received is among the statistics of the app.
        </p>
      )}
      {isLimited(limits) && !use && (
        <p className="problem" role="status">
          The counters cannot be reached now; limits go on as each receiver counts by itself.
        </p>
      )}
      {isLimited(limits) && use && (
        <>
          {PHASES[use.phase] && (
            <p className="partial" role="status">
              {PHASES[use.phase]}
              {use.over_since && ` Since ${minute(use.over_since, zone)}.`} A day without a refusal, and all is
              forgiven.
            </p>
          )}
          <UseBar name="Events" use={use.events_per_day} write={count} />
          <UseBar name="Bytes" use={use.bytes_per_day} write={bytes} />
          {Object.entries(use.components).map(([name, own]) => (
            <Fragment key={name}>
              {own.events_per_day.limit && <UseBar name={`Events of ${name}`} use={own.events_per_day} write={count} />}
              {own.bytes_per_day.limit && <UseBar name={`Bytes of ${name}`} use={own.bytes_per_day} write={bytes} />}
            </Fragment>
          ))}
        </>
      )}
      <p className="note">
        Events are kept for {limits.retention_days} {limits.retention_days === 1 ? "day" : "days"}, today among them.
      </p>
    </section>
  );
}

function UseBar({ name, use, write }: { name: string; use: DayUse; write: (amount: number) => string }) {
  const { zone } = usePreferences();
  const { part, fullInMs } = filled(use);
  if (part === null || use.limit === null)
    return (
      <p className="use">
        <b>{name}</b> <span className="note">no limit a day</span>
      </p>
    );
  const percent = Math.round(part * 100);
  return (
    <div className="use">
      <p>
        <b>{name}</b> <span className="use-number">{write(use.used ?? 0)}</span>{" "}
        <span className="note">
          of {write(use.limit)} a day; {write(Math.max(use.left ?? 0, 0))} may come at once now
        </span>
      </p>
      <meter className="use-bar" aria-label={`${name}: ${percent} % used`} value={part} max={1} high={0.8} optimum={0}>
        {percent} %
      </meter>
      <p className="note">
        {fullInMs > 0
          ? `All of it is there again in ${span(fullInMs).replace(/\.\d+/, "")}, ${minute(Date.now() + fullInMs, zone)}, if nothing more comes.`
          : "All of it is there."}
      </p>
    </div>
  );
}
