import { Link } from "wouter";
import type { IssueAnswer, LogEvent } from "../api/types";
import { usePreferences } from "../app/preferences";
import { issueHref, issueOf } from "../issues/links";
import { issueTitle, KindBadge, StatusBadge } from "../issues/Marks";
import { useIssues } from "../issues/useIssues";
import { clock } from "../time/format";
import type { Timeline } from "./lanes";

const ISSUES = 20; // of one session that are listed

/** The issues that happened in it, for their titles. */
export function useIssuesOf(session: string): readonly IssueAnswer[] {
  const { issues } = useIssues({ session, status: "", limit: ISSUES });
  return issues ?? [];
}

export function IssueList({ issues }: { issues: readonly IssueAnswer[] }) {
  if (!issues.length) return null;
  return (
    <ul className="session-issues" aria-label="Issues in this session">
      {issues.map((issue) => (
        <li key={issue.issue}>
          <KindBadge kind={issue.kind} />{" "}
          <Link href={issueHref(issue.issue)}>
            <bdi>{issueTitle(issue)}</bdi>
          </Link>{" "}
          <StatusBadge status={issue.status} />
        </li>
      ))}
    </ul>
  );
}

interface Props {
  line: Timeline;
  events: readonly LogEvent[];
  issues: readonly IssueAnswer[];
}

/** Above the lanes: when a crash, an issue or feedback was told, each leading to its issue. */
export function IssueLane({ line, events, issues }: Props) {
  const { zone } = usePreferences();
  const marks = events.flatMap((event, index) => {
    const told = issueOf(event);
    return told ? [{ ...told, id: event.id, time: event.time, place: line.places[index]! }] : [];
  });
  if (!marks.length) return null;
  const titles = new Map(issues.map((issue) => [issue.issue, issueTitle(issue)]));
  return (
    <div className="lane">
      <span className="lane-name note">issues</span>
      <span className="lane-marks">
        {marks.map((mark) => {
          const said = `${mark.kind} at ${clock(mark.time, zone)}: ${titles.get(mark.issue) ?? mark.issue}`;
          return (
            <Link
              key={mark.id}
              href={issueHref(mark.issue)}
              className={`lane-mark kind-${mark.kind}`}
              style={{ left: `${mark.place / 10}%` }}
              title={said}
              aria-label={said}
            >
              {mark.kind === "feedback" ? "●" : "▲"}
            </Link>
          );
        })}
      </span>
    </div>
  );
}
