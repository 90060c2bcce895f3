import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";
import { ask } from "../api/client";
import { told } from "../api/told";
import type { IssueAnswer, OccurrenceAnswer, OccurrencesAnswer } from "../api/types";
import { usePreferences } from "../app/preferences";
import { LongText } from "../events/LongText";
import { namedHref, sessionHref } from "../events/links";
import { Name } from "../text/Shown";
import { ago, dateTime } from "../time/format";
import { isBeyondRetention } from "../time/range";
import { CopyButton } from "../ui/copy";
import { Empty, Failure } from "../ui/Notice";
import { ShowMore } from "../ui/ShowMore";
import { Skeleton } from "../ui/Skeleton";

const PAGE = 20;

/** The times it happened, newest first, each with its stack and the way to its session. */
export function Occurrences({ issue }: { issue: IssueAnswer }) {
  const found = useInfiniteQuery({
    queryKey: ["issue", issue.issue, "occurrences"],
    initialPageParam: null as string | null,
    queryFn: ({ pageParam, signal }) =>
      ask<OccurrencesAnswer>(
        `/api/v1/issues/${encodeURIComponent(issue.issue)}/occurrences`,
        { limit: PAGE, cursor: pageParam },
        signal,
      ),
    getNextPageParam: (last) => last.next,
  });
  const rows = found.data?.pages.flatMap((page) => page.occurrences);
  return (
    <section>
      <h2>
        Times it happened <span className="note">newest first; the newest 200 are kept</span>
      </h2>
      {found.error && !rows ? (
        <Failure error={found.error} onRetry={found.refetch} />
      ) : !rows ? (
        <Skeleton lines={8} />
      ) : rows.length === 0 ? (
        <Empty title="None of them is kept" />
      ) : (
        rows.map((one, index) => <Occurrence key={one.id} one={one} issue={issue} first={index === 0} />)
      )}
      <ShowMore of={found}>Show earlier ones</ShowMore>
    </section>
  );
}

function Occurrence({ one, issue, first }: { one: OccurrenceAnswer; issue: IssueAnswer; first: boolean }) {
  const { zone } = usePreferences();
  const [open, setOpen] = useState(first);
  return (
    <details className="occurrence card" open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <b>{dateTime(one.time, zone)}</b> <span className="note">{ago(one.time, Date.now())}</span>{" "}
        {one.user && <Name text={one.user} />}{" "}
        {one.app_version && (
          <span className="note">
            <Name text={one.app_version} />
          </span>
        )}
      </summary>
      {open && <Told one={one} issue={issue} />}
    </details>
  );
}

function Told({ one, issue }: { one: OccurrenceAnswer; issue: IssueAnswer }) {
  const isGone = isBeyondRetention({ from: "", to: one.time }, Date.now(), told.retention_days);
  return (
    <>
      <dl className="facts">
        <div>
          <dt>session</dt>
          <dd>
            {isGone ? (
              <>
                <Name text={one.session} /> <span className="note">outside retention: its events are gone</span>
              </>
            ) : (
              <Link href={`${sessionHref(one.session)}&event=${encodeURIComponent(one.id)}`}>
                <Name text={one.session} />
              </Link>
            )}
          </dd>
        </div>
        {(["user", "device"] as const).map(
          (of) =>
            one[of] && (
              <div key={of}>
                <dt>{of}</dt>
                <dd>
                  <Link href={namedHref(of, one[of])}>
                    <Name text={one[of]} />
                  </Link>
                </dd>
              </div>
            ),
        )}
        {one.component && <Fact name="component" text={one.component} />}
        {one.app_version && <Fact name="version" text={one.app_version} />}
        {one.title !== issue.title && <Fact name="title" text={one.title} />}
      </dl>
      {one.text && (
        <div className="told-text">
          <LongText text={one.text} marks={null} />
        </div>
      )}
      {one.stack && (
        <div className="told-text told-stack">
          <CopyButton text={() => one.stack}>copy stack</CopyButton>
          <LongText text={one.stack} marks={null} />
        </div>
      )}
    </>
  );
}

function Fact({ name, text }: { name: string; text: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        <Name text={text} />
      </dd>
    </div>
  );
}
