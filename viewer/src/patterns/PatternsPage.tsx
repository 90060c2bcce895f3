import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useLocation, useSearch } from "wouter";
import { asApiError, ask } from "../api/client";
import type { PatternAnswer, PatternsAnswer } from "../api/types";
import { usePreferences } from "../app/preferences";
import { eventHref } from "../events/links";
import { QueryBar } from "../query/QueryBar";
import { searchHref } from "../search/state";
import { count } from "../text/numbers";
import { Name } from "../text/Shown";
import { cut } from "../text/values";
import { ago, dateTime } from "../time/format";
import { TimePicker } from "../time/TimePicker";
import { withoutAny } from "../ui/beyond";
import { CostLine, PartialNote } from "../ui/CostLine";
import { LEVELS } from "../ui/levels";
import { Empty, Failure } from "../ui/Notice";
import { Skeleton } from "../ui/Skeleton";
import { GREW_TIMES, growth, ORDERS, type Order, ordered } from "./order";
import { Spark } from "./Spark";

const LIMIT = 1000; // that the API gives; what is new or grew is looked for in them
const SHOWN = 300;
const BUCKETS = 24;
const FIRST_RANGE = "-24h";

/** What the messages say, but for numbers and names: what is new since yesterday, what grew. */
export default function PatternsPage() {
  const given = new URLSearchParams(useSearch());
  const [, go] = useLocation();
  const { zone } = usePreferences();
  const query = given.get("q") ?? "";
  const order = (given.get("show") ?? "count") as Order;
  const from = given.get("from") ?? FIRST_RANGE;
  const range = { from: from === "all" ? "" : from, to: given.get("to") ?? "" };
  const { data, error, refetch } = useQuery({
    queryKey: ["patterns", query, range],
    queryFn: ({ signal }) =>
      ask<PatternsAnswer>("/api/v1/patterns", { query, ...range, buckets: BUCKETS, limit: LIMIT }, signal),
    placeholderData: (before) => before,
  });
  const choose = (changed: Record<string, string>) => {
    for (const [name, value] of Object.entries(changed)) given.set(name, value);
    go(`/patterns?${given}`);
  };
  const refused = error && asApiError(error).column !== null ? asApiError(error) : null;
  const shown = data ? ordered(data.patterns, order) : [];
  return (
    <div className="page wide">
      <QueryBar query={query} onSubmit={(text) => choose({ q: text })} error={refused} button="Show" range={range}>
        <TimePicker range={range} onChange={(chosen) => choose({ from: chosen.from || "all", to: chosen.to })} />
      </QueryBar>
      <div className="page-head below">
        <h1>Patterns</h1>
        <fieldset className="switch">
          <legend className="off-screen">which</legend>
          {ORDERS.map(([each, name]) => (
            <button key={each} type="button" aria-pressed={order === each} onClick={() => choose({ show: each })}>
              {name} {data && each !== "count" && <span className="note">{ordered(data.patterns, each).length}</span>}
            </button>
          ))}
        </fieldset>
        {data && (
          <span className="note">
            {count(data.total)} patterns in {count(data.events)} messages
            {data.patterns.length < data.total &&
              `, of which these are the ${count(data.patterns.length)} most frequent`}
          </span>
        )}
        <span className="push" />
        {data && <CostLine cost={data} />}
      </div>
      <PartialNote cost={data} zone={zone} />
      {error && !refused ? (
        <Failure error={error} onRetry={refetch} />
      ) : !data ? (
        <Skeleton lines={16} />
      ) : shown.length === 0 ? (
        <Empty
          title={withoutAny(
            order === "count" ? "No messages in this range" : "Nothing of that kind in this range",
            range,
          )}
        >
          <p>
            “New” is whose first event ever is in the range; “grew” compares with as long a time before it; what was
            silent then and is not new comes first.
          </p>
        </Empty>
      ) : (
        <PatternTable key={`${query} ${order}`} patterns={shown} range={range} query={query} />
      )}
    </div>
  );
}

interface TableProps {
  patterns: readonly PatternAnswer[];
  range: { from: string; to: string };
  query: string;
}

function PatternTable({ patterns, range, query }: TableProps) {
  const { zone } = usePreferences();
  const [most, setMost] = useState(SHOWN);
  const now = Date.now();
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
    <div className="scrolling" tabIndex={0} role="region" aria-label="Patterns">
      <table className="data patterns">
        <thead>
          <tr>
            <th scope="col" className="number">
              events
            </th>
            <th scope="col" className="number">
              before
            </th>
            <th scope="col" className="wide-only">
              trend
            </th>
            <th scope="col">message</th>
            <th scope="col">last</th>
            <th scope="col" className="wide-only">
              first
            </th>
          </tr>
        </thead>
        <tbody>
          {patterns.slice(0, most).map((pattern) => (
            <tr key={pattern.ids[0] ?? pattern.template}>
              <td className="number">
                <Link href={searchHref({ query: `${query} ${pattern.query}`.trim(), ...range })}>
                  {count(pattern.count)}
                </Link>
              </td>
              <td className="number">
                <Before pattern={pattern} />
              </td>
              <td className="wide-only">
                <Spark counts={pattern.trend} />
              </td>
              <td className="template">
                {pattern.new && <span className="new">new</span>}
                <Levels levels={pattern.levels} />
                <Template text={pattern.template} />
              </td>
              <td className="when" title={dateTime(pattern.last_seen, zone)}>
                <Link href={eventHref(pattern.example.id)}>{ago(pattern.last_seen, now)}</Link>
              </td>
              <td className="when wide-only" title={dateTime(pattern.first_seen, zone)}>
                {ago(pattern.first_seen, now)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {patterns.length > most && (
        <p className="choices more">
          <button type="button" onClick={() => setMost(patterns.length)}>
            Show the other {count(patterns.length - most)}
          </button>
        </p>
      )}
    </div>
  );
}

function Before({ pattern }: { pattern: PatternAnswer }) {
  const times = growth(pattern);
  if (pattern.before === null) return <span className="note">–</span>;
  return (
    <>
      {count(pattern.before)}
      {!pattern.new && times !== null && times >= GREW_TIMES && (
        <span className="grew">
          {" "}
          {times === Number.POSITIVE_INFINITY ? "again" : `×${times < 10 ? times.toFixed(1) : Math.round(times)}`}
        </span>
      )}
    </>
  );
}

function Levels({ levels }: { levels: Record<string, number> }) {
  const worst = LEVELS.toReversed().find((level) => levels[level]);
  return worst && worst !== "info" ? <span className={`lv lv-${worst}`}>{worst} </span> : null;
}

/** The places that differ are made to look so. */
function Template({ text }: { text: string }) {
  const parts = cut(text, 1000).split("<*>");
  return (
    <code>
      {parts.map((part, index) => (
        <span key={index}>
          {index > 0 && <span className="hole">∗</span>}
          <Name text={part} />
        </span>
      ))}
    </code>
  );
}
