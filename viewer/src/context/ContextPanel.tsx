import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { ask } from "../api/client";
import type { EventInContext, LogEvent, Neighbours } from "../api/types";
import { useShortcuts } from "../app/keys";
import { EventTable } from "../events/EventTable";
import { eventHref } from "../events/links";
import { useColumns } from "../events/narrow";
import { marksOfText } from "../query/marks";
import { type Column, FIRST_COLUMNS } from "../search/state";
import { Name } from "../text/Shown";
import { valueText } from "../text/values";
import { Icon } from "../ui/Icon";
import { Failure } from "../ui/Notice";
import { Skeleton } from "../ui/Skeleton";

const NEIGHBOURS = [10, 20, 50, 100, 200];
type Of = "session" | "component";

interface PanelProps {
  id: string;
  /** Those of the search beside it. */
  columns: readonly Column[];
  onClose: () => void;
}

/** The events around one, of its session or its component; the search beside it stays as it is. */
export function ContextPanel({ id, columns, onClose }: PanelProps) {
  useShortcuts("Context", [{ keys: "Escape", does: "close the context", run: onClose }]);
  return (
    <aside className="context" aria-label="Context">
      <header className="context-head">
        <h2>Context</h2>
        <a href={`/app${eventHref(id, columns)}`} className="note" target="_blank" rel="noreferrer">
          in a tab of its own
        </a>
        <button type="button" className="quiet icon-button" aria-label="Close the context" onClick={onClose}>
          <Icon name="close" />
        </button>
      </header>
      <Context id={id} columns={columns} />
    </aside>
  );
}

const COLUMNS: readonly Column[] = [{ field: "component", pinned: false }];

export function Context({ id, columns }: { id: string; columns: readonly Column[] }) {
  const areChosen = columns !== FIRST_COLUMNS;
  const shown = useColumns(areChosen ? columns : COLUMNS, areChosen);
  const [around, setAround] = useState(1);
  const [of, setOf] = useState<Of>("session");
  const [only, setOnly] = useState("");
  const { data, error, refetch } = useQuery({
    queryKey: ["event", id, NEIGHBOURS[around]],
    queryFn: ({ signal }) =>
      ask<EventInContext>(`/api/v1/events/${encodeURIComponent(id)}`, { context: NEIGHBOURS[around] }, signal),
    placeholderData: (before) => (before?.id === id ? before : undefined),
  });
  const marks = useMemo(() => marksOfText(only), [only]);
  const events = useMemo(() => (data ? line(data, of, only) : []), [data, of, only]);
  if (error && !data) return <Failure error={error} onRetry={refetch} />;
  if (!data) return <Skeleton lines={20} label="loading the context" />;
  return (
    <>
      <div className="context-tools">
        <fieldset className="switch">
          <legend className="off-screen">of the same</legend>
          {(["session", "component"] as const).map((each) => (
            <button
              key={each}
              type="button"
              aria-pressed={of === each}
              disabled={each === "component" && !data.context?.component}
              onClick={() => setOf(each)}
            >
              {each}
            </button>
          ))}
        </fieldset>
        <button type="button" className="small" disabled={around === 0} onClick={() => setAround(around - 1)}>
          less
        </button>
        <span className="note">± {NEIGHBOURS[around]}</span>
        <button
          type="button"
          className="small"
          disabled={around === NEIGHBOURS.length - 1}
          onClick={() => setAround(around + 1)}
        >
          more
        </button>
        <input
          type="search"
          className="small"
          aria-label="Only lines with"
          placeholder="only lines with…"
          value={only}
          onChange={(event) => setOnly(event.target.value)}
        />
      </div>
      <p className="note context-name">
        {of} <Name text={of === "session" ? data.session : (data.component ?? "")} />
      </p>
      <EventTable
        events={events}
        columns={shown}
        marks={marks}
        wrap={false}
        current={id}
        label={`${of} around it`}
        isBeside
      />
    </>
  );
}

/** The event between its neighbours, those alone that say `only`; the event itself always. */
function line(event: EventInContext, of: Of, only: string): LogEvent[] {
  const around: Neighbours = event.context?.[of] ?? { before: [], after: [] };
  const wanted = only.trim().toLowerCase();
  const has = (each: LogEvent) =>
    !wanted ||
    `${each.key} ${each.component ?? ""} ${each.level ?? ""} ${valueText(each.value)}`.toLowerCase().includes(wanted);
  return [...around.before.filter(has), event, ...around.after.filter(has)];
}
