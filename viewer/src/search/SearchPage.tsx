import { useCallback, useMemo, useRef, useState } from "react";
import { useLocation } from "wouter";
import { asApiError } from "../api/client";
import { told } from "../api/told";
import type { LogEvent } from "../api/types";
import { useShortcuts } from "../app/keys";
import { usePreferences } from "../app/preferences";
import { ContextPanel } from "../context/ContextPanel";
import { EventTable } from "../events/EventTable";
import { useColumns } from "../events/narrow";
import { makesTable, term, toggled } from "../query/edit";
import { marksOf } from "../query/marks";
import { QueryBar } from "../query/QueryBar";
import { shifted, widened } from "../time/range";
import { TimePicker } from "../time/TimePicker";
import { PartialNote } from "../ui/CostLine";
import { Failure } from "../ui/Notice";
import { Skeleton } from "../ui/Skeleton";
import { Facets } from "./Facets";
import { Histogram } from "./Histogram";
import { Nothing } from "./Nothing";
import { ResultLine } from "./ResultLine";
import { SavedSearches } from "./SavedSearches";
import { type Change, type SearchState, tailHref } from "./state";
import { TableResult } from "./TableResult";
import { useEvents } from "./useEvents";
import { useSearchState } from "./useSearchState";
import type { Wanted } from "./wanted";

/** The search: a query, its time, what it finds. */
export function SearchPage() {
  const [state, change] = useSearchState("/");
  const [run, setRun] = useState(0);
  const [facets, setFacets] = useState(() => window.innerWidth >= 900);
  const { query, from, to, order } = state;
  const wanted = useMemo<Wanted>(() => ({ query, from, to, order, run }), [query, from, to, order, run]);
  const isTable = makesTable(query);
  const found = useEvents(wanted, !isTable);
  const error = found.error ? asApiError(found.error) : null;
  const refused = error !== null && error.column !== null;
  const onTerm = useCallback<(added: string, opposite: string) => void>(
    (added, opposite) => change({ query: toggled(query, added, opposite) }),
    [change, query],
  );
  const submit = (text: string) => {
    setRun((before) => before + 1);
    if (text !== query) change({ query: text });
  };
  const shift = (by: -1 | 1) => change(shifted(state, by, Date.now(), told.retention_days));
  useRangeKeys(state, change, shift);

  return (
    <div className={`search-page${facets ? "" : " no-facets"}${state.context ? " with-context" : ""}`}>
      <div className="search-top">
        <h1 className="off-screen">Search</h1>
        <QueryBar query={query} onSubmit={submit} error={refused ? error : null} range={state}>
          <TimePicker range={state} onChange={change} onShift={shift} />
          <SavedSearches state={state} change={change} />
        </QueryBar>
        <Histogram wanted={wanted} onRange={change} />
        <ResultLine
          state={state}
          change={change}
          found={found}
          wanted={wanted}
          facets={facets}
          onFacets={() => setFacets(!facets)}
        />
      </div>
      {facets && (
        <aside className="facets" aria-label="Fields">
          <Facets wanted={wanted} events={found.events} onTerm={onTerm} />
        </aside>
      )}
      <section className="results" aria-label="Results">
        {isTable ? (
          <TableResult wanted={wanted} />
        ) : (
          <Rows state={state} change={change} found={found} onTerm={onTerm} refused={refused} />
        )}
      </section>
      {state.context && (
        <ContextPanel id={state.context} columns={state.columns} onClose={() => change({ context: "" })} />
      )}
    </div>
  );
}

interface RowsProps {
  state: SearchState;
  change: Change;
  found: ReturnType<typeof useEvents>;
  onTerm: (added: string, opposite: string) => void;
  refused: boolean;
}

function Rows({ state, change, found, onTerm, refused }: RowsProps) {
  const { zone } = usePreferences();
  const selected = useRef<LogEvent | null>(null);
  const columns = useColumns(state.columns);
  const marks = useMemo(() => marksOf(state.query), [state.query]);
  const { fetchNextPage, hasNextPage, isFetchingNextPage, isFull } = found;
  const onStart = useNewer(found);
  const onEnd = useCallback(() => {
    if (!isFetchingNextPage) void fetchNextPage();
  }, [fetchNextPage, isFetchingNextPage]);
  useShortcuts("Row", [
    { keys: "x", does: "leave out rows of this component", run: () => exclude(selected.current, onTerm) },
  ]);
  if (refused) return null; // the query bar says what is wrong
  if (found.error && !found.events.length) return <Failure error={found.error} onRetry={found.refetch} />;
  if (!found.data) return found.isFetching ? <Skeleton lines={24} /> : <Cancelled onRetry={found.refetch} />;
  if (!found.events.length && !found.hasNextPage) return <Nothing state={state} change={change} />;
  return (
    <>
      <PartialNote cost={found.data.pages[0]} zone={zone} />
      <EventTable
        events={found.events}
        columns={columns}
        marks={marks}
        wrap={state.wrap}
        label="Events that match"
        selectedRef={selected}
        onEnd={hasNextPage && !isFull ? onEnd : undefined}
        onStart={onStart}
        onTerm={onTerm}
        onAlone={(term) => change({ query: term })}
        onContext={(id) => change({ context: id })}
        onColumns={(columns) => change({ columns }, { replace: true })}
        widths={state.widths}
        onWidths={(widths) => change({ widths }, { replace: true })}
        current={state.context}
        foot={<Foot found={found} />}
      />
    </>
  );
}

const NEWER_PAUSE_MS = 1000; // one turn of a wheel is many steps

/** Asks for what came since; undefined where nothing newer can be among what was asked for. */
function useNewer({ fetchNewer, hasPreviousPage, isFetchingPreviousPage }: RowsProps["found"]) {
  const asked = useRef(-NEWER_PAUSE_MS);
  const ask = useCallback(() => {
    if (isFetchingPreviousPage || performance.now() - asked.current < NEWER_PAUSE_MS) return;
    asked.current = performance.now();
    void fetchNewer();
  }, [fetchNewer, isFetchingPreviousPage]);
  return hasPreviousPage ? ask : undefined;
}

function Foot({ found }: { found: RowsProps["found"] }) {
  if (found.isFetchingNextPage) return <p className="foot note">more are coming…</p>;
  if (found.isFull)
    return (
      <p className="foot">These are as many as one page holds. A shorter range shows the rest; an export has all.</p>
    );
  if (found.isFetchNextPageError) return <Failure error={found.error} onRetry={() => found.fetchNextPage()} />;
  return found.hasNextPage ? null : <p className="foot note">That is all that matches.</p>;
}

function Cancelled({ onRetry }: { onRetry: () => void }) {
  return (
    <p className="empty">
      Cancelled.{" "}
      <button type="button" onClick={() => onRetry()}>
        Search again
      </button>
    </p>
  );
}

function exclude(event: LogEvent | null, onTerm: RowsProps["onTerm"]): void {
  if (event?.component) onTerm(term("component", event.component, false), term("component", event.component, true));
}

function useRangeKeys(state: SearchState, change: Change, shift: (by: -1 | 1) => void): void {
  const days = told.retention_days;
  const [, go] = useLocation();
  useShortcuts("Time", [
    { keys: "[", does: "the time before", run: () => shift(-1) },
    { keys: "]", does: "the time after", run: () => shift(1) },
    { keys: "-", does: "twice the time", run: () => change(widened(state, 2, Date.now(), days)) },
    { keys: "+", does: "half the time", run: () => change(widened(state, 0.5, Date.now(), days)) },
    { keys: "t", does: "follow this query live", run: () => go(tailHref(state)) },
  ]);
}
