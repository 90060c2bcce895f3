import { type MouseEvent, useMemo } from "react";
import type { IssueAnswer, SessionAnswer } from "../api/types";
import { usePreferences } from "../app/preferences";
import { count } from "../text/numbers";
import { Name } from "../text/Shown";
import { clock } from "../time/format";
import { colourOf } from "../ui/levels";
import { IssueLane } from "./IssueLane";
import { LANE, type Lane, nearest, timeline } from "./lanes";

interface Props {
  session: SessionAnswer;
  issues: readonly IssueAnswer[];
  hidden: ReadonlySet<string>;
  onToggle: (component: string) => void;
  onEvent: (id: string) => void;
}

/** What each component did, beside the others; a click leads to the event. */
export function Lanes({ session, issues, hidden, onToggle, onEvent }: Props) {
  const { zone } = usePreferences();
  const line = useMemo(
    () =>
      timeline(
        session.events,
        session.lanes.map(({ component }) => component),
      ),
    [session],
  );
  const toPlace = (time: string) => ((Date.parse(time) - line.start) / (line.end - line.start)) * 990 + 5;
  const errors = new Map(session.lanes.map((lane) => [lane.component, lane.errors]));
  const click = (event: MouseEvent<SVGSVGElement>, lane: Lane) => {
    const box = event.currentTarget.getBoundingClientRect();
    const index = nearest(line, lane, ((event.clientX - box.left) / box.width) * 1000);
    if (index !== undefined) onEvent(session.events[index]!.id);
  };
  return (
    <figure className="lanes" aria-label="Events by component over time">
      <IssueLane line={line} events={session.events} issues={issues} />
      {line.lanes.map((lane) => (
        <div key={lane.component} className={hidden.has(lane.component) ? "lane is-hidden" : "lane"}>
          <button
            type="button"
            className="bare lane-name"
            aria-pressed={!hidden.has(lane.component)}
            title="show or hide its rows"
            onClick={() => onToggle(lane.component)}
          >
            <span className={`badge c${colourOf(lane.component)}`}>
              <Name text={lane.component || "no component"} />
            </span>{" "}
            <span className="note">
              {count(lane.events.length)}
              <Errors count={errors.get(lane.component) ?? 0} />
            </span>
          </button>
          <svg
            className="lane-line"
            viewBox={`0 0 1000 ${LANE}`}
            preserveAspectRatio="none"
            aria-hidden="true"
            onClick={(event) => click(event, lane)}
          >
            {session.gaps.map((gap) => (
              <rect
                key={gap.after}
                className="lane-gap"
                x={toPlace(gap.from)}
                width={Math.max(1, toPlace(gap.to) - toPlace(gap.from))}
                y="0"
                height={LANE}
              />
            ))}
            <path className="lane-ground" d={`M0 ${LANE / 2}h1000`} />
            {Object.entries(lane.paths).map(([level, path]) => (
              <path key={level} className={`stroke-${level}`} d={path} />
            ))}
          </svg>
        </div>
      ))}
      <div className="lane-axis note">
        <span>{clock(line.start, zone)}</span>
        <span>{clock((line.start + line.end) / 2, zone)}</span>
        <span>{clock(line.end, zone)}</span>
      </div>
    </figure>
  );
}

function Errors({ count: number }: { count: number }) {
  return number > 0 ? <b className="lv lv-error"> {number === 1 ? "1 error" : `${count(number)} errors`}</b> : null;
}
