import { Link, useLocation, useSearch } from "wouter";
import { told } from "../api/told";
import { usePreferences } from "../app/preferences";
import { IssueTable } from "../issues/IssueTable";
import { issuesOfHref } from "../issues/links";
import { useIssueMarks } from "../issues/useIssueMarks";
import { useIssues } from "../issues/useIssues";
import { term } from "../query/edit";
import { Histogram } from "../search/Histogram";
import { searchHref } from "../search/state";
import { count } from "../text/numbers";
import { Name } from "../text/Shown";
import { ago, dateTime } from "../time/format";
import { Empty, Failure } from "../ui/Notice";
import { ShowMore } from "../ui/ShowMore";
import { Skeleton } from "../ui/Skeleton";
import { ActivityTable } from "./ActivityTable";
import { DeviceCard } from "./DeviceCard";
import { RemoteCard } from "./RemoteCard";
import { type Row, useActivity } from "./useActivity";

type Owner = "user" | "device";

/** One user or device: what is known of it, its issues and sessions, what it is told, who goes with it. */
function PersonPage({ of }: { of: Owner }) {
  const name = new URLSearchParams(useSearch()).get(of) ?? "";
  const query = term(of, name, true);
  const itself = useActivity(of === "user" ? "users" : "devices", { query, limit: 1 });
  const registered = useActivity("devices", { where: term("device", name, true), limit: 1 }, of === "device");
  const did = itself.rows?.[0];
  if (itself.error && !itself.rows) return <Failure error={itself.error} onRetry={itself.refetch} />;
  if (!itself.rows || (!did && registered.isFetching)) return <Skeleton lines={16} />;
  const known = of === "device" ? (did ?? registered.rows?.[0]) : undefined;
  if (!name || (!did && !known)) return <Nobody of={of} />;
  return (
    <div className="page wide">
      <Head of={of} name={name} did={did} called={known?.registered?.label || known?.registered?.name || ""} />
      {of === "device" && <DeviceCard key={name} device={name} registered={known?.registered ?? null} />}
      <RemoteCard key={`remote ${name}`} of={of} name={name} />
      {did && <Activity of={of} name={name} query={query} />}
    </div>
  );
}

function Nobody({ of }: { of: Owner }) {
  return (
    <Empty isPage title={`No such ${of} in these ${told.retention_days} days`}>
      <p>
        Names are case-sensitive, and only events that name a {of}
        {of === "device" && ", or what it told of itself,"} count.
      </p>
      <p>
        <Link href={`/${of}s`}>All {of}s that were active lately</Link>
      </p>
    </Empty>
  );
}

interface HeadProps {
  of: Owner;
  name: string;
  did: Row | undefined;
  called: string;
}

function Head({ of, name, did, called }: HeadProps) {
  const { zone } = usePreferences();
  const query = term(of, name, true);
  return (
    <header className="about">
      <h1>
        <span className="note">{of}</span>{" "}
        {called && (
          <>
            <Name text={called} />{" "}
          </>
        )}
        <span className={called ? "note" : ""}>
          <Name text={name} />
        </span>
      </h1>
      {did?.last && did.first ? (
        <dl className="facts">
          <div>
            <dt>last seen</dt>
            <dd title={dateTime(did.last, zone)}>{ago(did.last, Date.now())}</dd>
          </div>
          <div>
            <dt>first seen</dt>
            <dd>{dateTime(did.first, zone).slice(0, 16)}</dd>
          </div>
          <div>
            <dt>events</dt>
            <dd>
              <Link href={searchHref({ query, from: "" })}>{count(did.events)}</Link>
            </dd>
          </div>
          <div>
            <dt>errors</dt>
            <dd>
              <Link href={searchHref({ query: `${query} level>=error`, from: "" })}>{count(did.errors)}</Link>
            </dd>
          </div>
          <div>
            <dt>sessions</dt>
            <dd>{count(did.sessions)}</dd>
          </div>
          <div>
            <dt>as it comes</dt>
            <dd>
              <Link href={`/tail?q=${encodeURIComponent(query)}`}>live tail</Link>
            </dd>
          </div>
        </dl>
      ) : (
        <p className="note">No event of it in these {told.retention_days} days.</p>
      )}
    </header>
  );
}

const ISSUES = 5;

function Activity({ of, name, query }: { of: Owner; name: string; query: string }) {
  const [, go] = useLocation();
  const sessions = useActivity("sessions", { [of]: name });
  const others = useActivity(of === "user" ? "devices" : "users", { query, limit: 20 });
  const marks = useIssueMarks("session", { query });
  const { issues, hasNextPage } = useIssues({ [of]: name, status: "", limit: ISSUES });
  const other = of === "user" ? "device" : "user";
  return (
    <>
      <div className="card">
        <Histogram
          wanted={{ query, from: "", to: "", order: "desc", run: 0 }}
          onRange={(range) => go(searchHref({ query, ...range }))}
        />
      </div>
      {issues && issues.length > 0 && (
        <>
          <h2>
            Issues{" "}
            {hasNextPage && (
              <Link className="note" href={issuesOfHref(of, name)}>
                all of them
              </Link>
            )}
          </h2>
          <IssueTable issues={issues} label={`Issues of this ${of}`} />
        </>
      )}
      <h2>Sessions</h2>
      {sessions.rows ? <ActivityTable of="session" rows={sessions.rows} marks={marks} /> : <Skeleton lines={6} />}
      <ShowMore of={sessions} />
      {others.rows && others.rows.length > 0 && (
        <>
          <h2>{other === "user" ? "Users" : "Devices"} that go with it</h2>
          <ActivityTable of={other} rows={others.rows} />
        </>
      )}
    </>
  );
}

export const UserPage = () => <PersonPage key="user" of="user" />;
export const DevicePage = () => <PersonPage key="device" of="device" />;
