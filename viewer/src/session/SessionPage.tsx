import { useQuery } from "@tanstack/react-query";
import { useCallback, useMemo, useReducer, useRef } from "react";
import { Link, useLocation, useSearch } from "wouter";
import { asApiError, ask } from "../api/client";
import { told } from "../api/told";
import type { LogEvent, SessionAnswer } from "../api/types";
import { useShortcuts } from "../app/keys";
import { usePreferences } from "../app/preferences";
import { EventTable } from "../events/EventTable";
import { namedHref, sessionHref, sessionUrl } from "../events/links";
import { useColumns } from "../events/narrow";
import { issueOf } from "../issues/links";
import { quoted } from "../query/edit";
import { marksOfText } from "../query/marks";
import { RowChoices } from "../search/RowChoices";
import { searchHref } from "../search/state";
import { ShareButton } from "../share/ShareButton";
import { count } from "../text/numbers";
import { Name } from "../text/Shown";
import { valueText } from "../text/values";
import { dateTime, span } from "../time/format";
import { CostLine, PartialNote } from "../ui/CostLine";
import { CopyButton } from "../ui/copy";
import { Empty, Failure } from "../ui/Notice";
import { Skeleton } from "../ui/Skeleton";
import { IssueList, useIssuesOf } from "./IssueLane";
import { Lanes } from "./Lanes";
import { readSession, type SessionState, writeSession } from "./state";

/** All of one session, in order, with a lane for each component. */
export default function SessionPage() {
  const given = new URLSearchParams(useSearch());
  const name = given.get("session") ?? "";
  const { data, error, refetch } = useQuery({
    queryKey: ["session", name],
    enabled: name !== "",
    queryFn: ({ signal }) =>
      ask<SessionAnswer>(`/sessions/${encodeURIComponent(name)}.json`, { neighbours: 1 }, signal),
  });
  if (!name || (error && asApiError(error).status === 404))
    return (
      <Empty isPage title={`No such session in these ${told.retention_days} days`}>
        <p>Its events may be older than what is kept, or of another app; names are case-sensitive.</p>
        <p>
          <Link href="/sessions">Sessions that were active lately</Link>
        </p>
      </Empty>
    );
  if (error && !data) return <Failure error={error} onRetry={refetch} />;
  if (!data) return <Skeleton lines={24} label="loading the session" />;
  return <Session key={name} session={data} event={given.get("event") ?? ""} />;
}

/** event: the one that whoever links here means. */
function Session({ session, event }: { session: SessionAnswer; event: string }) {
  const { zone } = usePreferences();
  const [state, change] = useSessionState();
  const { wrap, hidden, only } = state;
  const columns = useColumns(state.columns);
  const marks = useMemo(() => marksOfText(only), [only]);
  const [{ current, asked }, goTo] = useReducer(goneTo, { current: event, asked: 0 });
  const issues = useIssuesOf(session.session);
  const selected = useRef<LogEvent | null>(null);
  const shown = useMemo(() => filtered(session.events, hidden, only), [session, hidden, only]);
  const gapBefore = useMemo(() => new Map(session.gaps.map((gap) => [gap.before, gap])), [session]);
  const between = useCallback(
    (index: number) => {
      const gap = gapBefore.get(shown[index]?.id ?? "");
      return gap ? <div className="between">{span(gap.seconds * 1000)} of silence</div> : null;
    },
    [gapBefore, shown],
  );
  const next = (isIt: (event: LogEvent) => boolean) => {
    const from = shown.findIndex((event) => event.id === (current || selected.current?.id)) + 1;
    const found = [...shown.slice(from), ...shown].find(isIt);
    if (found) goTo(found.id);
  };
  const nextError = () => next(({ level }) => level === "error" || level === "fatal");
  useShortcuts("Session", [
    { keys: "e", does: "next error", run: nextError },
    { keys: "i", does: "next crash, issue or feedback", run: () => next((event) => issueOf(event) !== null) },
  ]);
  const errors = session.lanes.reduce((sum, lane) => sum + lane.errors, 0);
  return (
    <div className="session-page">
      <div className="session-head">
        <Head session={session} errors={errors} />
        <PartialNote cost={session} zone={zone} />
        <IssueList issues={issues} />
        <Lanes
          session={session}
          issues={issues}
          hidden={hidden}
          onToggle={(component) => change({ hidden: toggledSet(hidden, component) })}
          onEvent={goTo}
        />
        <div className="result-line">
          <input
            type="search"
            className="small"
            aria-label="Only lines with"
            placeholder="only lines with…"
            value={only}
            onChange={(event) => change({ only: event.target.value })}
          />
          <span className="note" aria-live="polite">
            {shown.length < session.events.length && `${count(shown.length)} of ${count(session.events.length)} lines`}
          </span>
          {errors > 0 && (
            <button type="button" className="small" onClick={nextError}>
              next error
            </button>
          )}
          <RowChoices state={state} change={change} />
          <span className="push" />
          <CostLine cost={session} />
        </div>
      </div>
      <section className="results" aria-label="Events of the session">
        <EventTable
          events={shown}
          columns={columns}
          marks={marks}
          wrap={wrap}
          label="Events of the session"
          between={between}
          onColumns={(columns) => change({ columns })}
          widths={state.widths}
          onWidths={(widths) => change({ widths })}
          current={current}
          asked={asked}
          selectedRef={selected}
          foot={
            session.truncated ? (
              <p className="foot">
                These are its first {count(session.events.length)} events;{" "}
                <Link href={searchHref({ query: `session=${quoted(session.session)}`, from: "" })}>
                  a search pages through all
                </Link>
                .
              </p>
            ) : null
          }
        />
      </section>
    </div>
  );
}

/** Which of its rows are shown and how, as the address says, and how to change that. No change is a step of "back". */
function useSessionState(): [SessionState, (changed: Partial<SessionState>) => void] {
  const text = useSearch();
  const [path, go] = useLocation();
  const state = useMemo(() => readSession(new URLSearchParams(text)), [text]);
  const change = useCallback(
    (changed: Partial<SessionState>) => {
      const given = new URLSearchParams(location.search);
      writeSession(given, { ...readSession(given), ...changed });
      go(`${path}?${given}`, { replace: true });
    },
    [go, path],
  );
  return [state, change];
}

function Head({ session, errors }: { session: SessionAnswer; errors: number }) {
  const { zone } = usePreferences();
  const path = `/sessions/${encodeURIComponent(session.session)}`;
  return (
    <header className="about">
      <h1>
        <span className="note">session</span> <Name text={session.session} />
      </h1>
      <dl className="facts">
        <Fact name="events" value={count(session.events.length) + (session.truncated ? "+" : "")} />
        {errors > 0 && <Fact name="errors" value={count(errors)} />}
        <Fact name="from" value={dateTime(session.first, zone)} />
        <Fact name="lasted" value={span(session.seconds * 1000)} />
        {session.version && <Fact name="version" value={session.version} />}
        {(["user", "device"] as const).map(
          (of) =>
            session[of] && (
              <div key={of}>
                <dt>{of}</dt>
                <dd>
                  <Link href={namedHref(of, session[of])}>
                    <Name text={session[of]} />
                  </Link>
                </dd>
              </div>
            ),
        )}
        <div>
          <dt>also as</dt>
          <dd>
            <a href={`${path}${session.session.endsWith(".json") ? "?format=html" : ""}`}>a page without script</a> ·{" "}
            <a href={`${path}.json`}>JSON</a>
          </dd>
        </div>
        <div>
          <dt>for a ticket</dt>
          <dd>
            <CopyButton text={() => sessionUrl(session.session)}>copy link</CopyButton>{" "}
            <ShareButton shown={{ session: session.session }} />
          </dd>
        </div>
      </dl>
      <Around session={session} />
    </header>
  );
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        <Name text={value} />
      </dd>
    </div>
  );
}

/** The sessions before and after, of the same user and of the same device. */
function Around({ session }: { session: SessionAnswer }) {
  const [, go] = useLocation();
  const { previous, next } = session;
  const before = previous?.user ?? previous?.device;
  const after = next?.user ?? next?.device;
  useShortcuts("Neighbours", [
    { keys: "<", does: "session before", run: () => before && go(sessionHref(before.session)) },
    { keys: ">", does: "session after", run: () => after && go(sessionHref(after.session)) },
  ]);
  if (!before && !after) return null;
  return (
    <nav className="around" aria-label="neighbouring sessions">
      {(["user", "device"] as const).map((of) => {
        const [left, right] = [previous?.[of], next?.[of]];
        if (!left && !right) return null;
        return (
          <p key={of}>
            <span className="note">of this {of}:</span>{" "}
            {left && (
              <Link href={sessionHref(left.session)} rel="prev">
                ← <Name text={left.session} />
              </Link>
            )}{" "}
            {right && (
              <Link href={sessionHref(right.session)} rel="next">
                <Name text={right.session} /> →
              </Link>
            )}
          </p>
        );
      })}
    </nav>
  );
}

/** Also the event that it is already: it may have been scrolled away. */
function goneTo({ asked }: { asked: number }, current: string): { current: string; asked: number } {
  return { current, asked: asked + 1 };
}

function filtered(events: readonly LogEvent[], hidden: ReadonlySet<string>, only: string): readonly LogEvent[] {
  const wanted = only.trim().toLowerCase();
  if (!wanted && !hidden.size) return events;
  return events.filter(
    (event) =>
      !hidden.has(event.component ?? "") &&
      (!wanted || `${event.key} ${event.level ?? ""} ${valueText(event.value)}`.toLowerCase().includes(wanted)),
  );
}

function toggledSet(before: ReadonlySet<string>, each: string): ReadonlySet<string> {
  const after = new Set(before);
  if (!after.delete(each)) after.add(each);
  return after;
}
