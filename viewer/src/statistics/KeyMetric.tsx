import { useQuery } from "@tanstack/react-query";
import { Suspense, useMemo } from "react";
import { Link } from "wouter";
import { ask } from "../api/client";
import { told } from "../api/told";
import type { FacetsAnswer, StatsAnswer } from "../api/types";
import type { Line } from "../charts/Lines";
import { NoChart } from "../charts/NoChart";
import { term } from "../query/edit";
import { searchHref } from "../search/state";
import { useStats } from "../search/TableResult";
import { plain } from "../text/symbols";
import { type Range, resolve } from "../time/range";
import { withoutAny } from "../ui/beyond";
import { lazily } from "../ui/lazily";
import { Empty, Failure } from "../ui/Notice";

const Lines = lazily(() => import("../charts/Lines"), NoChart);
const PX = 190;
const KEYS = 100;
const STEPS = ["10s", "30s", "1m", "5m", "15m", "1h", "3h", "6h", "1d"] as const;
const STEP_MS = [1e4, 3e4, 6e4, 3e5, 9e5, 36e5, 108e5, 216e5, 864e5];
const POINTS = 100;

interface Props {
  range: Range;
  metric: string;
  onMetric: (key: string) => void;
}

/** The median and the slow end of a numeric key over time. */
export function KeyMetric({ range, metric, onMetric }: Props) {
  const numeric = useQuery({
    queryKey: ["numeric keys", range],
    queryFn: ({ signal }) =>
      ask<FacetsAnswer>("/api/v1/facets", { query: "value>=-1e300", ...range, fields: "key", limit: KEYS }, signal),
    placeholderData: (before) => before,
  });
  const keys = numeric.data?.facets.key?.values.map(({ value }) => value) ?? [];
  const key = metric || keys[0] || "";
  const query = `${term("key", key, true)} value>=-1e300 | p50(value), p95(value), count by bin(${stepOf(range)})`;
  const { data, error, refetch } = useStats(query, range.from, range.to, 0, key !== "");
  const room = <div className="chart-place" style={{ height: `${PX + 20}px` }} />;
  return (
    <section className="card">
      <h2>
        Numbers of a key{" "}
        {keys.length > 0 && (
          <select className="small" aria-label="Key" value={key} onChange={(event) => onMetric(event.target.value)}>
            {(keys.includes(key) ? keys : [key, ...keys]).map((each) => (
              <option key={each} value={each}>
                {plain(each)}
              </option>
            ))}
          </select>
        )}{" "}
        {key && (
          <Link className="note" href={searchHref({ query, ...range })}>
            as a table
          </Link>
        )}
      </h2>
      {error || numeric.error ? (
        <Failure error={error ?? numeric.error} onRetry={error ? refetch : numeric.refetch} />
      ) : numeric.data && !key ? (
        <Empty title={withoutAny("No key has numbers in this range", range)}>
          <p>
            Send a value as a JSON number, as in <code>{'"key":"checkout.ms","value":231.5'}</code>, and its median and
            95th percentile stand here.
          </p>
        </Empty>
      ) : !data ? (
        room
      ) : data.rows.length === 0 ? (
        <Empty title={withoutAny(`${plain(key)} has no numbers in this range`, range)} />
      ) : (
        <Suspense fallback={room}>
          <Chart answer={data} name={key} range={range} />
        </Suspense>
      )}
    </section>
  );
}

function Chart({ answer, name, range }: { answer: StatsAnswer; name: string; range: Range }) {
  const { times, lines } = useMemo(() => linesOf(answer), [answer]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: as of when it was answered
  const { from, to } = useMemo(() => resolve(range, Date.now(), told.retention_days), [range.from, range.to, answer]);
  const ends = { from: Math.min(from / 1000, times[0]!), to: Math.max(to / 1000, times.at(-1)!) };
  return (
    <Lines {...ends} times={times} lines={lines} height={PX} label={`p50 and p95 of ${plain(name)} over the range`} />
  );
}

function linesOf(answer: StatsAnswer): { times: number[]; lines: Line[] } {
  const at = (wanted: string) => answer.columns.findIndex(({ name }) => name.startsWith(wanted));
  const number = (row: unknown[], column: number) => (row[column] == null ? null : Number(row[column]));
  const [time, p50, p95] = [at("bin("), at("p50"), at("p95")];
  return {
    times: answer.rows.map((row) => Date.parse(String(row[time])) / 1000),
    lines: [
      { name: "p95", colour: "warn", values: answer.rows.map((row) => number(row, p95)) },
      { name: "p50", colour: "info", values: answer.rows.map((row) => number(row, p50)) },
    ],
  };
}

function stepOf(range: Range): string {
  const { from, to } = resolve(range, Date.now(), told.retention_days);
  const found = STEP_MS.findIndex((ms) => (to - from) / ms <= POINTS);
  return STEPS[found < 0 ? STEPS.length - 1 : found]!;
}
