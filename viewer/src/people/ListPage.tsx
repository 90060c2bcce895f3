import { useDeferredValue, useState } from "react";
import { useLocation, useSearch } from "wouter";
import { usePreferences } from "../app/preferences";
import { useIssueMarks } from "../issues/useIssueMarks";
import { term } from "../query/edit";
import { rangeName, TimePicker } from "../time/TimePicker";
import { withoutAny } from "../ui/beyond";
import { CostLine, PartialNote } from "../ui/CostLine";
import { Empty, Failure } from "../ui/Notice";
import { ShowMore } from "../ui/ShowMore";
import { Skeleton } from "../ui/Skeleton";
import { ActivityTable } from "./ActivityTable";
import { type Plural, SINGULAR, useActivity } from "./useActivity";

const FIRST_RANGE = "-24h";

/** Who was active lately, to be narrowed down by name, query and time. */
export function ListPage({ of }: { of: Exclude<Plural, "devices"> }) {
  const given = new URLSearchParams(useSearch());
  const [, go] = useLocation();
  const [q, setQ] = useState(given.get("q") ?? "");
  const { zone } = usePreferences();
  const from = given.get("from") ?? FIRST_RANGE;
  const range = { from: from === "all" ? "" : from, to: given.get("to") ?? "" };
  const user = given.get("user") ?? "";
  const device = given.get("device") ?? "";
  const wanted = { ...range, user, device, q: useDeferredValue(q.trim()) };
  const found = useActivity(of, wanted);
  const { rows, cost, error, refetch } = found;
  const only = (["user", "device"] as const).flatMap((who) => (wanted[who] ? [term(who, wanted[who], true)] : []));
  const marks = useIssueMarks(SINGULAR[of], { ...range, query: only.join(" ") });
  const choose = (changed: Record<string, string>) => {
    for (const [name, value] of Object.entries(changed))
      if (value) given.set(name, value);
      else given.delete(name);
    go(`/${of}?${given}`);
  };
  return (
    <div className="page wide">
      <div className="page-head">
        <h1>{of[0]!.toUpperCase() + of.slice(1)}</h1>
        <input
          type="search"
          aria-label={`${SINGULAR[of]} begins with`}
          placeholder="name begins with…"
          value={q}
          onChange={(event) => setQ(event.target.value)}
        />
        <TimePicker range={range} onChange={(chosen) => choose({ from: chosen.from || "all", to: chosen.to })} />
        {(user || device) && (
          <button type="button" className="small" onClick={() => choose({ user: "", device: "" })}>
            of {user ? `user ${user}` : `device ${device}`} ×
          </button>
        )}
        <span className="push" />
        {cost && <CostLine cost={cost} />}
      </div>
      <PartialNote cost={cost} zone={zone} />
      {error && !rows ? (
        <Failure error={error} onRetry={refetch} />
      ) : !rows ? (
        <Skeleton lines={14} />
      ) : rows.length === 0 ? (
        <Empty title={withoutAny(`No ${of} in this range: ${rangeName(range, zone)}`, range)}>
          <p>
            {of === "sessions" ? "A longer range may have some." : `Events that name no ${SINGULAR[of]} are left out.`}
          </p>
          <p>
            <button type="button" onClick={() => choose({ from: "all", to: "" })}>
              Look in everything kept
            </button>
          </p>
        </Empty>
      ) : (
        <>
          <ActivityTable of={SINGULAR[of]} rows={rows} marks={marks} />
          <ShowMore of={found} />
        </>
      )}
    </div>
  );
}

export const SessionsPage = () => <ListPage key="sessions" of="sessions" />;
export const UsersPage = () => <ListPage key="users" of="users" />;
