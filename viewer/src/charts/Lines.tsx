/** Numbers over time as lines; where there are none, the line is interrupted. */
import { useEffect, useMemo, useRef, useState } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { usePreferences } from "../app/preferences";
import { short } from "../text/numbers";
import { dateTime } from "../time/format";
import { FONT, timeLabel, useWidth } from "./Bars";
import { colour } from "./colours";

export interface Line {
  name: string;
  /** The name of a colour of the style sheet. */
  colour: string;
  values: (number | null)[];
}

interface Props {
  /** Seconds. */
  times: number[];
  /** Seconds: how far the axis reaches, though there may be nothing at its ends. */
  from: number;
  to: number;
  lines: Line[];
  height: number;
  label: string;
}

const NUMBER = new Intl.NumberFormat("en", { maximumFractionDigits: 3 });

export default function Lines({ times, from, to, lines, height, label }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const { zone, theme } = usePreferences();
  const width = useWidth(place);
  const [shown, setShown] = useState<number | null>(null);
  const data = useMemo(() => [times, ...lines.map(({ values }) => values)] as uPlot.AlignedData, [times, lines]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: colours are read from the style sheet, which follows `theme`
  useEffect(() => {
    if (!width || !times.length) return;
    const axis = {
      stroke: colour("note"),
      grid: { stroke: colour("line"), width: 1 },
      ticks: { show: false },
      font: FONT,
    };
    const chart = new uPlot(
      {
        width,
        height,
        legend: { show: false },
        padding: [8, 10, 0, 0],
        cursor: { y: false, drag: { x: false, y: false } },
        scales: {
          x: { range: [from, to] },
          y: { range: (_, low, high) => [Math.min(0, low ?? 0), Math.max(1e-9, high ?? 1)] },
        },
        axes: [
          { ...axis, size: 22, space: 74, values: (_, ticks) => ticks.map(timeLabel(zone, to - from)) },
          { ...axis, size: 56, values: (_, ticks) => ticks.map(short) },
        ],
        series: [
          {},
          ...lines.map((line) => ({
            stroke: colour(line.colour),
            width: 1.6,
            points: { size: 4, show: times.length < 60 },
          })),
        ],
        hooks: { setCursor: [(made) => setShown(made.cursor.idx ?? null)] },
        tzDate: (seconds) =>
          zone === "utc" ? uPlot.tzDate(new Date(seconds * 1e3), "Etc/UTC") : new Date(seconds * 1e3),
      },
      data,
      place.current!,
    );
    return () => chart.destroy();
  }, [data, from, to, width, height, zone, theme]);

  const at = shown ?? times.length - 1;
  return (
    <figure className="chart">
      <div ref={place} className="chart-place" style={{ height: `${height}px` }} role="img" aria-label={label} />
      <figcaption className="note chart-below">
        {times[at] !== undefined && dateTime(times[at] * 1000, zone).slice(0, 19)}
        {lines.map((line) => (
          <span key={line.name} className="chart-group">
            <i style={{ background: `var(--${line.colour})` }} /> {line.name}{" "}
            {line.values[at] == null ? "–" : NUMBER.format(line.values[at])}
          </span>
        ))}
      </figcaption>
    </figure>
  );
}
