import { Link } from "wouter";
import type { IssueAnswer } from "../api/types";
import { usePreferences } from "../app/preferences";
import { Spark } from "../patterns/Spark";
import { count } from "../text/numbers";
import { Name } from "../text/Shown";
import { ago, dateTime } from "../time/format";
import { issueHref } from "./links";
import { issueTitle, KindBadge, StatusBadge } from "./Marks";

/** Rows of issues: what, how often, whom it met, since when. */
export function IssueTable({ issues, label = "Issues" }: { issues: readonly IssueAnswer[]; label?: string }) {
  const { zone } = usePreferences();
  const now = Date.now();
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
    <div className="scrolling" tabIndex={0} role="region" aria-label={label}>
      <table className="data issues">
        <thead>
          <tr>
            <th scope="col">issue</th>
            <th scope="col">status</th>
            <th scope="col" className="wide-only">
              last {issues[0]?.days.length ?? 14} days
            </th>
            <th scope="col" className="number">
              times
            </th>
            <th scope="col" className="number">
              users
            </th>
            <th scope="col" className="number">
              devices
            </th>
            <th scope="col">last seen</th>
            <th scope="col" className="wide-only">
              first seen
            </th>
            <th scope="col" className="wide-only">
              version
            </th>
          </tr>
        </thead>
        <tbody>
          {issues.map((issue) => (
            <tr key={issue.issue}>
              <td className="issue-name">
                <KindBadge kind={issue.kind} />{" "}
                <Link href={issueHref(issue.issue)}>
                  <bdi>{issueTitle(issue)}</bdi>
                </Link>
                {issue.where && (
                  <div className="note">
                    <Name text={issue.where} />
                  </div>
                )}
              </td>
              <td>
                <StatusBadge status={issue.status} />
              </td>
              <td className="wide-only">
                <Spark counts={issue.days} />
              </td>
              <td className="number">{count(issue.count)}</td>
              <td className="number">{people(issue.users, issue.more)}</td>
              <td className="number">{people(issue.devices, issue.more)}</td>
              <td className="when" title={dateTime(issue.last, zone)}>
                {ago(issue.last, now)}
              </td>
              <td className="when wide-only" title={dateTime(issue.first, zone)}>
                {ago(issue.first, now)}
              </td>
              <td className="wide-only">
                <Name text={issue.last_version} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** `more`: there are more of them than are counted. */
export function people(number: number, more: boolean): string {
  return count(number) + (more ? "+" : "");
}
