import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { useSearch } from "wouter";
import { asApiError, ask } from "../api/client";
import { told } from "../api/told";
import type { EventInContext } from "../api/types";
import { Context } from "../context/ContextPanel";
import { readState } from "../search/state";
import { ShareButton } from "../share/ShareButton";
import { Empty, Failure } from "../ui/Notice";
import { Skeleton } from "../ui/Skeleton";
import { OpenEvent } from "./OpenEvent";

/** One event by its id, among its neighbours: what a link in a ticket leads to. */
export default function EventPage() {
  const text = useSearch();
  const id = new URLSearchParams(text).get("id") ?? "";
  const { columns } = useMemo(() => readState(text), [text]);
  const { data, error, refetch } = useQuery({
    queryKey: ["event", id],
    enabled: id !== "",
    queryFn: ({ signal }) => ask<EventInContext>(`/api/v1/events/${encodeURIComponent(id)}`, {}, signal),
  });
  if (!id || (error && asApiError(error).status === 404))
    return (
      <Empty isPage title="There is no such event">
        <p>
          Events are kept for {told.retention_days} days, and an update takes the place of what it updates; it may have
          been erased, too.
        </p>
      </Empty>
    );
  if (error && !data) return <Failure error={error} onRetry={refetch} />;
  if (!data) return <Skeleton lines={16} label="loading the event" />;
  return (
    <div className="event-page">
      <div className="card">
        <div className="event-head">
          <h1>Event</h1>
          <ShareButton shown={{ event: data.id }} />
        </div>
        <OpenEvent event={data} />
      </div>
      <section className="event-around" aria-label="Around it">
        <Context id={id} columns={columns} />
      </section>
    </div>
  );
}
