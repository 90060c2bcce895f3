import { useQuery } from "@tanstack/react-query";
import { Suspense, useCallback, useMemo } from "react";
import { ask } from "../api/client";
import type { HistogramAnswer } from "../api/types";
import { usePreferences } from "../app/preferences";
import { colour } from "../charts/colours";
import { NoChart } from "../charts/NoChart";
import { count } from "../text/numbers";
import { plain } from "../text/symbols";
import { absolute, type Range } from "../time/range";
import { lazily } from "../ui/lazily";
import { Failure } from "../ui/Notice";

const Bars = lazily(() => import("../charts/Bars"), NoChart);
const SHOWN = 7;
const OTHERS = "all others";
const PX = 190;

/** Events over time by component: the busiest ones, and all others as one. */
export function ByComponent({ range, onRange }: { range: Range; onRange: (range: Range) => void }) {
  const { theme } = usePreferences();
  const { data, error, refetch } = useQuery({
    queryKey: ["histogram by component", range],
    queryFn: ({ signal }) =>
      ask<HistogramAnswer>(
        "/api/v1/histogram",
        { ...range, to: range.to || "now", buckets: 80, by: "component" },
        signal,
      ),
    placeholderData: (before) => before,
  });
  const { order, buckets } = useMemo(() => gathered(data?.buckets ?? []), [data]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: colours follow the theme
  const paint = useCallback(
    (group: string) => colour(group === OTHERS ? "none" : `chart-${order.indexOf(group)}`),
    [order, theme],
  );
  const room = <div className="chart-place" style={{ height: `${PX}px` }} />;
  return (
    <section className="card">
      <h2>
        Events by component{" "}
        {data && (
          <span className="note">{count(buckets.reduce((sum, { total }) => sum + total, 0))} in this range</span>
        )}
      </h2>
      {error ? (
        <Failure error={error} onRetry={refetch} />
      ) : !data ? (
        room
      ) : (
        <Suspense fallback={room}>
          <Bars
            buckets={buckets}
            end={Date.parse(data.to)}
            order={order}
            paint={paint}
            nameOf={(group) => plain(group) || "no component"}
            height={PX}
            label="events over the range by component"
            onRange={(from, to) => onRange(absolute(from, to))}
          />
          <p className="note legend">
            {order.map((group) => (
              <span key={group} className="chart-group">
                <i style={{ background: paint(group) }} /> {plain(group) || "no component"}
              </span>
            ))}
          </p>
        </Suspense>
      )}
    </section>
  );
}

type Buckets = HistogramAnswer["buckets"];

function gathered(buckets: Buckets): { order: string[]; buckets: Buckets } {
  const totals = new Map<string, number>();
  for (const bucket of buckets)
    for (const [group, each] of Object.entries(bucket.counts)) totals.set(group, (totals.get(group) ?? 0) + each);
  const sorted = [...totals].sort((a, b) => b[1] - a[1]).map(([group]) => group);
  const top = sorted.slice(0, SHOWN);
  if (sorted.length <= SHOWN) return { order: top, buckets };
  const joined = buckets.map((bucket) => {
    const counts: Record<string, number> = {};
    for (const [group, each] of Object.entries(bucket.counts)) {
      const name = top.includes(group) ? group : OTHERS;
      counts[name] = (counts[name] ?? 0) + each;
    }
    return { ...bucket, counts };
  });
  return { order: [...top, OTHERS], buckets: joined };
}
