import { useQuery } from "@tanstack/react-query";
import { Suspense, useEffect } from "react";
import { ask } from "../api/client";
import type { HistogramAnswer } from "../api/types";
import { levelColour, STACK } from "../charts/colours";
import { NoChart } from "../charts/NoChart";
import { withoutFuture } from "../charts/stack";
import { count } from "../text/numbers";
import { absolute, type Range } from "../time/range";
import { HISTOGRAM_PX } from "../ui/heights";
import { afterPaint, whenIdle } from "../ui/idle";
import { lazily } from "../ui/lazily";
import type { Wanted } from "./wanted";

const bars = () => import("../charts/Bars");
const Bars = lazily(bars, NoChart);
const BUCKETS = 120;

interface Props {
  wanted: Wanted;
  onRange: (range: Range) => void;
}

export function useHistogram({ query, from, to, run }: Wanted, enabled: boolean) {
  return useQuery({
    queryKey: ["histogram", query, from, to, run],
    enabled,
    queryFn: async ({ signal }) => {
      await afterPaint();
      return ask<HistogramAnswer>("/api/v1/histogram", { query, from, to, buckets: BUCKETS, by: "level" }, signal);
    },
    placeholderData: (before) => before,
    select: to ? whole : untilNow,
  });
}

const whole = (answer: HistogramAnswer) => answer;

/** A range without an end reaches as far ahead as senders' clocks may be: of that, what has events is shown. */
function untilNow(answer: HistogramAnswer): HistogramAnswer {
  const buckets = withoutFuture(answer.buckets, Date.now());
  return { ...answer, buckets, to: answer.buckets[buckets.length]?.start ?? answer.to };
}

/** How many match, over the range, by level. A drag zooms in. */
export function Histogram({ wanted, onRange }: Props) {
  const { data, isError } = useHistogram(wanted, true);
  useEffect(() => {
    whenIdle()
      .then(bars)
      .catch(() => {}); // on its way while the counts are; where it fails, the chart says so
  }, []);
  if (isError) return null; // the rows say what is wrong
  if (!data) return <div className="chart chart-place bone" style={{ height: `${HISTOGRAM_PX}px` }} />;
  const total = data.buckets.reduce((sum, bucket) => sum + bucket.total, 0);
  const room = <div className="chart chart-place" style={{ height: `${HISTOGRAM_PX}px` }} />;
  return (
    <Suspense fallback={room}>
      <Bars
        buckets={data.buckets}
        end={Date.parse(data.to)}
        order={STACK}
        paint={levelColour}
        nameOf={nameOf}
        height={HISTOGRAM_PX}
        label={`${count(total)} events over the range by level`}
        onRange={(begin, end) => onRange(absolute(begin, end))}
      />
    </Suspense>
  );
}

function nameOf(level: string): string {
  return level || "no level";
}
