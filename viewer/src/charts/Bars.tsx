/** Counts over time as stacked bars; dragging over them chooses a range, a click one bar. */
import { useEffect, useMemo, useRef, useState } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { usePreferences } from "../app/preferences";
import { count, short } from "../text/numbers";
import { clock, dateTime, minute, type Zone } from "../time/format";
import { colour } from "./colours";
import { type Bucket, stacked } from "./stack";

interface Props {
  buckets: readonly Bucket[];
  /** Milliseconds: the end of the last bucket. */
  end: number;
  order: readonly string[];
  paint: (group: string) => string;
  nameOf: (group: string) => string;
  height: number;
  label: string;
  onRange?: (from: number, to: number) => void;
}

export default function Bars(props: Props) {
  const { buckets, end, order, paint, height, label } = props;
  const place = useRef<HTMLDivElement>(null);
  const { zone, theme } = usePreferences();
  const width = useWidth(place);
  const [shown, setShown] = useState<number | null>(null);
  const stack = useMemo(() => stacked(buckets, order), [buckets, order]);
  const latest = useRef(props);
  latest.current = props;

  // biome-ignore lint/correctness/useExhaustiveDependencies: colours are read from the style sheet, which follows `theme`
  useEffect(() => {
    if (!width || !stack.times.length) return;
    const step = (end / 1000 - stack.times[0]!) / stack.times.length;
    const options = chartOptions({ width, height, zone, step, end: end / 1000 });
    options.series = [
      {},
      ...stack.groups.toReversed().map((group) => ({
        fill: paint(group),
        width: 0,
        paths: uPlot.paths.bars!({ size: [0.86, 40, 1], align: 1 }),
        points: { show: false },
      })),
    ];
    options.hooks = {
      setCursor: [(chart) => setShown(chart.cursor.idx ?? null)],
      setSelect: [
        (chart) => {
          if (chart.select.width < 4) return;
          const from = chart.posToVal(chart.select.left, "x") * 1000;
          const to = chart.posToVal(chart.select.left + chart.select.width, "x") * 1000;
          chart.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          latest.current.onRange?.(from, to);
        },
      ],
    };
    const chart = new uPlot(options, [stack.times, ...stack.sums.toReversed()], place.current!);
    const clicked = () => {
      const at = chart.cursor.idx;
      if (at == null || chart.select.width >= 4) return;
      const from = stack.times[at]! * 1000;
      latest.current.onRange?.(from, from + step * 1000);
    };
    chart.over.addEventListener("click", clicked);
    return () => chart.destroy();
  }, [stack, width, height, zone, theme, end, paint]);

  return (
    <figure className="chart" onPointerLeave={() => setShown(null)}>
      <div ref={place} className="chart-place" style={{ height: `${height}px` }} role="img" aria-label={label} />
      {shown !== null && buckets[shown] && <Told {...props} bucket={buckets[shown]} zone={zone} />}
    </figure>
  );
}

function Told({ bucket, order, paint, nameOf, zone }: Props & { bucket: Bucket; zone: Zone }) {
  const groups = [...order.filter((group) => bucket.counts[group]), ...Object.keys(bucket.counts)];
  return (
    <figcaption className="chart-told">
      <b>{minute(bucket.start, zone)}</b>
      <span className="note">{clock(bucket.start, zone).slice(5)}</span> {count(bucket.total)}
      {[...new Set(groups)].slice(0, 8).map((group) => (
        <span key={group} className="chart-group">
          <i style={{ background: paint(group) }} /> {nameOf(group)} {count(bucket.counts[group] ?? 0)}
        </span>
      ))}
    </figcaption>
  );
}

interface Frame {
  width: number;
  height: number;
  zone: Zone;
  step: number;
  end: number;
}

/** Axes in the page's own colours and zone; the height always begins at nothing. */
function chartOptions({ width, height, zone, step, end }: Frame): uPlot.Options {
  const axis = { stroke: colour("note"), grid: { stroke: colour("line"), width: 1 }, ticks: { show: false } };
  return {
    width,
    height,
    legend: { show: false },
    padding: [6, 22, 0, 0], // half of a date, which the last label may be
    cursor: { drag: { x: true, y: false, setScale: false }, points: { show: false }, y: false },
    scales: {
      x: { time: true, range: (_, from) => [from ?? 0, end] },
      y: { range: (_, __, top) => [0, Math.max(1, top ?? 1)] },
    },
    axes: [
      { ...axis, size: 22, font: FONT, space: 74, values: (_, ticks) => ticks.map(timeLabel(zone, step * 90)) },
      {
        ...axis,
        size: 46,
        font: FONT,
        incrs: [1, 2, 5, 10, 20, 50, 1e2, 2e2, 5e2, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6, 1e7, 1e8, 1e9],
        space: 24,
        values: (_, ticks) => ticks.map(short),
      },
    ],
    tzDate: (seconds) => (zone === "utc" ? uPlot.tzDate(new Date(seconds * 1e3), "Etc/UTC") : new Date(seconds * 1e3)),
    series: [],
  };
}

/** As fine as the range needs: seconds within minutes, days over weeks. */
export function timeLabel(zone: Zone, rangeS: number): (seconds: number) => string {
  return (seconds) => {
    const text = dateTime(seconds * 1000, zone);
    if (rangeS < 600) return text.slice(11, 19);
    const midnight = text.slice(11, 16) === "00:00";
    return rangeS > 2 * 86_400 || midnight ? text.slice(5, midnight ? 10 : 16) : text.slice(11, 16);
  };
}

export const FONT = "11px system-ui, sans-serif";

export function useWidth(place: { current: HTMLElement | null }): number {
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const element = place.current;
    if (!element) return;
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry!.contentRect.width)));
    observer.observe(element);
    return () => observer.disconnect();
  }, [place]);
  return width;
}
