import { type ReactNode, useCallback, useEffect, useMemo, useState } from "react";
import { Link } from "wouter";
import { useShortcuts } from "../app/keys";
import { ContextPanel } from "../context/ContextPanel";
import { EventTable } from "../events/EventTable";
import { useColumns } from "../events/narrow";
import { split, toggled } from "../query/edit";
import { marksOf } from "../query/marks";
import { QueryBar } from "../query/QueryBar";
import { RowChoices } from "../search/RowChoices";
import { searchHref } from "../search/state";
import { useSearchState } from "../search/useSearchState";
import { count } from "../text/numbers";
import { Icon } from "../ui/Icon";
import { Empty, Failure } from "../ui/Notice";
import { type Tail, useTail } from "./useTail";

/** Events as they come. Scrolling up, or opening a row, holds the list still; the pill at its end goes on. */
export default function TailPage() {
  const [state, change] = useSearchState("/tail");
  const [held, setHeld] = useState(false);
  const [away, setAway] = useState(false);
  const query = split(state.query).filter;
  const paused = held || away;
  const tail = useTail(query, paused);
  const columns = useColumns(state.columns);
  const marks = useMemo(() => marksOf(query), [query]);
  const goOn = useCallback(() => {
    setHeld(false);
    setAway(false);
  }, []);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another query begins anew, and is followed
  useEffect(goOn, [query]);
  useShortcuts("Live tail", [
    { keys: "p", does: "hold still, or go on", run: () => (paused ? goOn() : setHeld(true)) },
    ...(state.context ? [] : [{ keys: "Escape", does: "go on", run: goOn }]), // that closes the panel first
  ]);
  const refused = tail.error?.column != null ? tail.error : null;
  return (
    <div className={`search-page no-facets${state.context ? " with-context" : ""}`}>
      <div className="search-top">
        <h1 className="off-screen">Live tail</h1>
        <QueryBar
          query={query}
          onSubmit={(text) => change({ query: text })}
          error={refused}
          button="Follow"
          hint="all events as they come; a query here narrows them down while it runs"
        />
        <TailLine
          tail={tail}
          paused={paused}
          onPause={() => (paused ? goOn() : setHeld(true))}
          search={searchHref({ query, columns: state.columns, wrap: state.wrap })}
        >
          <RowChoices state={state} change={change} />
        </TailLine>
      </div>
      <section className="results tail" aria-label="Events as they come">
        {tail.error && !refused && <Failure error={tail.error} onRetry={() => location.reload()} />}
        {tail.events.length === 0 && !tail.error ? (
          <Empty title={tail.state === "live" ? "Waiting for the first event that matches…" : "Connecting…"}>
            <p>Events are shown from now on; a search has those of before.</p>
          </Empty>
        ) : (
          <EventTable
            events={tail.events}
            columns={columns}
            marks={marks}
            wrap={state.wrap}
            label="Events as they come"
            sticky={!paused}
            onScrolledAway={setAway}
            onOpened={() => setHeld(true)}
            onTerm={(added, opposite) => change({ query: toggled(query, added, opposite) })}
            onAlone={(term) => change({ query: term })}
            onContext={(id) => change({ context: id })}
            onColumns={(columns) => change({ columns }, { replace: true })}
            widths={state.widths}
            onWidths={(widths) => change({ widths }, { replace: true })}
          />
        )}
        {paused && (
          <button type="button" className="pill primary" onClick={goOn}>
            <Icon name="down" /> {tail.waiting ? `${count(tail.waiting)} new` : "go on"}
          </button>
        )}
      </section>
      {state.context && (
        <ContextPanel id={state.context} columns={state.columns} onClose={() => change({ context: "" })} />
      )}
    </div>
  );
}

const SAID = { connecting: "connecting…", live: "live", reconnecting: "reconnecting…", ended: "ended" } as const;

interface LineProps {
  tail: Tail;
  paused: boolean;
  onPause: () => void;
  /** The same query, of what came before. */
  search: string;
  children: ReactNode;
}

function TailLine({ tail, paused, onPause, search, children }: LineProps) {
  const state = paused && tail.state === "live" ? "holding still" : SAID[tail.state];
  return (
    <div className="result-line one-line">
      <button type="button" className="small" aria-pressed={paused} onClick={onPause}>
        <Icon name={paused ? "play" : "pause"} /> {paused ? "go on" : "hold still"}
      </button>
      <span className={`live live-${paused ? "paused" : tail.state}`} role="status">
        {state}
      </span>
      <span className="note">
        {count(tail.arrived)} came · {count(Math.round(tail.rate))} a second
      </span>
      {tail.dropped > 0 && (
        <span className="dropped" title="more came than this page or the service could follow; a search has them all">
          {count(tail.dropped)} left out
        </span>
      )}
      <span className="push" />
      {children}
      <Link className="button small" href={search} title="search what came before for the same">
        look back
      </Link>
      <button type="button" className="small" onClick={tail.clear}>
        clear
      </button>
    </div>
  );
}
