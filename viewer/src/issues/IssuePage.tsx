import { useQuery } from "@tanstack/react-query";
import { Link, useSearch } from "wouter";
import { asApiError, ask } from "../api/client";
import { useMayEdit } from "../api/may";
import type { IssueAnswer, TalliesAnswer } from "../api/types";
import { usePreferences } from "../app/preferences";
import { namedHref, wholeUrl } from "../events/links";
import { term } from "../query/edit";
import { searchHref } from "../search/state";
import { count } from "../text/numbers";
import { Name } from "../text/Shown";
import { ago, dateTime, type Zone } from "../time/format";
import { CopyButton } from "../ui/copy";
import { Empty, Failure } from "../ui/Notice";
import { Skeleton } from "../ui/Skeleton";
import { Days } from "./Days";
import { people } from "./IssueTable";
import { Judge } from "./Judge";
import { issueHref } from "./links";
import { issueTitle, KindBadge, StatusBadge } from "./Marks";
import { Occurrences } from "./Occurrences";

const DAYS = 30;
const MET = 12; // users, devices and versions that are listed

/** One issue: where it happens, whom it meets, what to do about it, and the times it happened. */
export default function IssuePage() {
  const id = new URLSearchParams(useSearch()).get("id") ?? "";
  const { data, error, refetch } = useQuery({
    queryKey: ["issue", id],
    enabled: id !== "",
    queryFn: ({ signal }) => ask<IssueAnswer>(`/api/v1/issues/${encodeURIComponent(id)}`, { days: DAYS }, signal),
  });
  const mayEdit = useMayEdit();
  if (!id || (error && asApiError(error).status === 404))
    return (
      <Empty isPage title="There is no such issue">
        <p>The address may have been cut; an erasure or 10,000 newer issues may have taken it away.</p>
        <p>
          <Link href="/issues">Issues that are open</Link>
        </p>
      </Empty>
    );
  if (error && !data) return <Failure error={error} onRetry={refetch} />;
  if (!data) return <Skeleton lines={18} label="loading the issue" />;
  return (
    <div className="page wide">
      <Head issue={data} />
      {mayEdit && <Judge issue={data} />}
      <div className="card">
        <Days counts={data.days} />
      </div>
      <div className="met">
        {(["user", "device", "version"] as const).map((of) => (
          <Met key={of} issue={data.issue} of={of} />
        ))}
      </div>
      <Occurrences issue={data} />
    </div>
  );
}

function Head({ issue }: { issue: IssueAnswer }) {
  const { zone } = usePreferences();
  return (
    <header className="about">
      <h1>
        <KindBadge kind={issue.kind} /> <bdi>{issueTitle(issue)}</bdi>
      </h1>
      <dl className="facts">
        <div>
          <dt>status</dt>
          <dd>
            <StatusBadge status={issue.status} />
            {issue.resolved_in && (
              <>
                {" "}
                in <Name text={issue.resolved_in} />
              </>
            )}
            {issue.changed && (
              <span className="note" title={dateTime(issue.changed, zone)}>
                {" "}
                {ago(issue.changed, Date.now())}
                {issue.changed_by ? `, by ${issue.changed_by}` : ", by itself: it happened again"}
              </span>
            )}
          </dd>
        </div>
        {issue.where && (
          <div>
            <dt>where</dt>
            <dd>
              <Name text={issue.where} />
            </dd>
          </div>
        )}
        <div>
          <dt>times</dt>
          <dd>
            <Link href={searchHref({ query: term("attributes.issue", issue.issue, true), from: "" })}>
              {count(issue.count)}
            </Link>
          </dd>
        </div>
        <div>
          <dt>users</dt>
          <dd>{people(issue.users, issue.more)}</dd>
        </div>
        <div>
          <dt>devices</dt>
          <dd>{people(issue.devices, issue.more)}</dd>
        </div>
        <Seen name="first seen" time={issue.first} version={issue.first_version} zone={zone} />
        <Seen name="last seen" time={issue.last} version={issue.last_version} zone={zone} />
        <div>
          <dt>fingerprint</dt>
          <dd>
            <code>
              <Name text={issue.fingerprint} />
            </code>
          </dd>
        </div>
        <div>
          <dt>for a ticket</dt>
          <dd>
            <CopyButton text={() => wholeUrl(issueHref(issue.issue))}>copy link</CopyButton>
          </dd>
        </div>
      </dl>
    </header>
  );
}

function Seen({ name, time, version, zone }: { name: string; time: string; version: string; zone: Zone }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        {dateTime(time, zone).slice(0, 19)}{" "}
        <span className="note">
          {ago(time, Date.now())}
          {version && (
            <>
              , in <Name text={version} />
            </>
          )}
        </span>
      </dd>
    </div>
  );
}

/** Whom it met, or in which versions: how often, and when last. */
function Met({ issue, of }: { issue: string; of: "user" | "device" | "version" }) {
  const { zone } = usePreferences();
  const { data } = useQuery({
    queryKey: ["issue", issue, "met", of],
    queryFn: ({ signal }) =>
      ask<TalliesAnswer>(`/api/v1/issues/${encodeURIComponent(issue)}/affected`, { of, limit: MET }, signal),
  });
  return (
    <section className="card">
      <h2>{`${of[0]!.toUpperCase()}${of.slice(1)}s`}</h2>
      {!data ? (
        <Skeleton lines={3} />
      ) : data.people.length === 0 ? (
        <p className="note">None was named.</p>
      ) : (
        <table className="met-table">
          <tbody>
            {data.people.map((one) => (
              <tr key={one.name}>
                <td className="name">
                  {of === "version" ? (
                    <Name text={one.name} />
                  ) : (
                    <Link href={namedHref(of, one.name)}>
                      <Name text={one.name} />
                    </Link>
                  )}
                </td>
                <td className="number">{count(one.count)}</td>
                <td className="note" title={dateTime(one.last, zone)}>
                  {ago(one.last, Date.now())}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {data && data.people.length === MET && <p className="note">These are the latest {MET}.</p>}
    </section>
  );
}
