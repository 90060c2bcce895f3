import { Link, useLocation, useSearch } from "wouter";
import { told } from "../api/told";
import { usePreferences } from "../app/preferences";
import { term } from "../query/edit";
import { Histogram } from "../search/Histogram";
import { searchHref } from "../search/state";
import { count } from "../text/numbers";
import { Name } from "../text/Shown";
import { ago, dateTime } from "../time/format";
import { Empty, Failure } from "../ui/Notice";
import { Skeleton } from "../ui/Skeleton";
import { ActivityTable } from "./ActivityTable";
import { useActivity } from "./useActivity";

type Owner = "user" | "device";

/** One user or device: what is known of it, its sessions, who goes with it. */
function PersonPage({ of }: { of: Owner }) {
  const name = new URLSearchParams(useSearch()).get(of) ?? "";
  const { zone } = usePreferences();
  const [, go] = useLocation();
  const query = term(of, name, true);
  const itself = useActivity(of === "user" ? "users" : "devices", { query, limit: 1 });
  const others = useActivity(of === "user" ? "devices" : "users", { query, limit: 20 });
  const sessions = useActivity("sessions", { [of]: name });
  const whole = itself.rows?.[0];
  if (itself.error) return <Failure error={itself.error} onRetry={itself.refetch} />;
  if (!itself.rows) return <Skeleton lines={16} />;
  if (!whole || !name)
    return (
      <Empty title={`No such ${of} in these ${told.retention_days} days`}>
        <p>Names are case-sensitive, and only events that name a {of} count.</p>
        <p>
          <Link href={`/${of}s`}>All {of}s that were active lately</Link>
        </p>
      </Empty>
    );
  const other = of === "user" ? "device" : "user";
  return (
    <div className="page wide">
      <header className="about">
        <h1>
          <span className="note">{of}</span> <Name text={name} />
        </h1>
        <dl className="facts">
          <div>
            <dt>last seen</dt>
            <dd title={dateTime(whole.last, zone)}>{ago(whole.last, Date.now())}</dd>
          </div>
          <div>
            <dt>first seen</dt>
            <dd>{dateTime(whole.first, zone).slice(0, 16)}</dd>
          </div>
          <div>
            <dt>events</dt>
            <dd>
              <Link href={searchHref({ query, from: "" })}>{count(whole.events)}</Link>
            </dd>
          </div>
          <div>
            <dt>errors</dt>
            <dd>
              <Link href={searchHref({ query: `${query} level>=error`, from: "" })}>{count(whole.errors)}</Link>
            </dd>
          </div>
          <div>
            <dt>sessions</dt>
            <dd>{count(whole.sessions)}</dd>
          </div>
        </dl>
      </header>
      <div className="card">
        <Histogram
          wanted={{ query, from: "", to: "", order: "desc", run: 0 }}
          onRange={(range) => go(searchHref({ query, ...range }))}
        />
      </div>
      <h2>Sessions</h2>
      {sessions.rows ? <ActivityTable of="session" rows={sessions.rows} /> : <Skeleton lines={6} />}
      {sessions.hasNextPage && (
        <p className="choices more">
          <button type="button" onClick={() => sessions.fetchNextPage()}>
            Show more
          </button>
        </p>
      )}
      {others.rows && others.rows.length > 0 && (
        <>
          <h2>{other === "user" ? "Users" : "Devices"} that go with it</h2>
          <ActivityTable of={other} rows={others.rows} />
        </>
      )}
    </div>
  );
}

export const UserPage = () => <PersonPage key="user" of="user" />;
export const DevicePage = () => <PersonPage key="device" of="device" />;
