import type { ReactNode } from "react";
import { told } from "../api/told";
import { HowToSend } from "../app/HowToSend";
import { isBeyondRetention } from "../time/range";
import { Empty } from "../ui/Notice";
import type { Change, SearchState } from "./state";

/** Why there may be nothing, and what to try. */
export function Nothing({ state, change }: { state: SearchState; change: Change }) {
  const days = told.retention_days;
  if (isBeyondRetention(state, Date.now(), days))
    return (
      <Empty title="This range is outside retention">
        <p>Events are kept for {days} days; what happened before that is gone.</p>
        <p>
          <button type="button" onClick={() => change({ from: "", to: "" })}>
            Show everything kept
          </button>
        </p>
      </Empty>
    );
  const all = (state.from !== "" || state.to !== "") && (
    <button type="button" onClick={() => change({ from: "", to: "" })}>
      Look in all {days} days kept
    </button>
  );
  if (!state.query) return <FirstEvent all={all} />;
  return (
    <Empty title="Nothing matches in this range">
      <p>Words are whole (time* finds timeout, time does not), and side by side they must all be there.</p>
      <p className="choices">
        {all}
        <button type="button" onClick={() => change({ query: "" })}>
          Without the query
        </button>
      </p>
    </Empty>
  );
}

const GREETING = '{"session":"first","key":"greeting","value":"hello","level":"info"}';

function FirstEvent({ all }: { all: ReactNode }) {
  return (
    <Empty title={all ? "No event in this range" : "No event yet"}>
      <p className="choices">{all}</p>
      <HowToSend what={all ? "one" : "a first one"} path="/v1/events" body={GREETING} />
    </Empty>
  );
}
