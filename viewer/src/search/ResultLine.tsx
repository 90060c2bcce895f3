import { useEffect, useState } from "react";
import { Link } from "wouter";
import { address, asApiError } from "../api/client";
import { hereUrl } from "../events/links";
import { split } from "../query/edit";
import { count } from "../text/numbers";
import { CostLine } from "../ui/CostLine";
import { copyText } from "../ui/copy";
import { Menu, MenuItem, MenuLink } from "../ui/Menu";
import { useHistogram } from "./Histogram";
import { RowChoices } from "./RowChoices";
import { type Change, type SearchState, tailHref } from "./state";
import type { useEvents } from "./useEvents";
import type { Wanted } from "./wanted";

interface Props {
  state: SearchState;
  change: Change;
  found: ReturnType<typeof useEvents>;
  wanted: Wanted;
  facets: boolean;
  onFacets: () => void;
}

/** How much was found, at what cost, and what can be done with all of it. */
export function ResultLine({ state, change, found, wanted, facets, onFacets }: Props) {
  const { data, isPlaceholderData } = useHistogram(wanted, true);
  const total = isPlaceholderData ? undefined : data?.buckets.reduce((sum, bucket) => sum + bucket.total, 0);
  const first = found.data?.pages[0];
  return (
    <div className="result-line">
      <button type="button" className="small" aria-pressed={facets} onClick={onFacets}>
        Fields
      </button>
      <span aria-live="polite" className="found">
        {found.isFetching && !found.isFetchingNextPage ? (
          <Waiting onCancel={found.cancel} />
        ) : total !== undefined ? (
          <>
            <b>{count(total)}</b> {total === 1 ? "event" : "events"}
          </>
        ) : null}
      </span>
      {first && <CostLine cost={first} />}
      <span className="push" />
      {found.hasPreviousPage && found.events.length > 0 && (
        <button
          type="button"
          className="small"
          disabled={found.isFetchingPreviousPage}
          onClick={() => found.fetchNewer()}
        >
          newer ones
        </button>
      )}
      {found.isFetchPreviousPageError && (
        <span role="alert" className="note">
          newer ones could not be read: {asApiError(found.error).message}
        </span>
      )}
      <Link className="button small" href={tailHref(state)} title="follow this query live">
        live
      </Link>
      <button
        type="button"
        className="small"
        onClick={() => change({ order: state.order === "desc" ? "asc" : "desc" })}
        title="order"
      >
        {state.order === "desc" ? "newest first" : "oldest first"}
      </button>
      <RowChoices state={state} change={change} />
      <Menu label="Export and share" className="small" trigger="export">
        <MenuLink href={exportHref(state, "ndjson")} download>
          All that matches as NDJSON
        </MenuLink>
        <MenuLink href={exportHref(state, "csv")} download>
          All that matches as CSV
        </MenuLink>
        <MenuItem onSelect={() => copyText(hereUrl())}>Copy a link to this search</MenuItem>
      </Menu>
    </div>
  );
}

const SLOW_MS = 400; // before that, a word about waiting would only flicker

function Waiting({ onCancel }: { onCancel: () => void }) {
  const [isSlow, setSlow] = useState(false);
  const [seconds, setSeconds] = useState(0);
  useEffect(() => {
    const timer = setTimeout(() => setSlow(true), SLOW_MS);
    const counter = setInterval(() => setSeconds((before) => before + 1), 1000);
    return () => {
      clearTimeout(timer);
      clearInterval(counter);
    };
  }, []);
  if (!isSlow) return <span className="note">…</span>;
  return (
    <>
      <span className="note">searching…</span>{" "}
      {seconds > 0 && (
        <span className="note" aria-hidden="true">
          {seconds} s
        </span>
      )}{" "}
      <button type="button" className="small" onClick={onCancel}>
        Cancel
      </button>
    </>
  );
}

function exportHref({ query, from, to, order }: SearchState, format: string): string {
  return address("/api/v1/export", { query: split(query).filter, from, to, order, format });
}
