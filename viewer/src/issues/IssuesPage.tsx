import { useDeferredValue } from "react";
import { useLocation, useSearch } from "wouter";
import { told } from "../api/told";
import { HowToSend } from "../app/HowToSend";
import { Empty, Failure } from "../ui/Notice";
import { ShowMore } from "../ui/ShowMore";
import { Skeleton } from "../ui/Skeleton";
import { IssueTable } from "./IssueTable";
import { isNarrowed, KINDS } from "./links";
import { useIssues } from "./useIssues";

const OPEN = "open,regressed";
const LIKED = '{"session":"first","kind":"feedback","title":"I like it"}';
const STATUSES = [
  [OPEN, "open"],
  ["regressed", "regressed"],
  ["resolved", "resolved"],
  ["muted", "muted"],
  ["all", "of any status"],
] as const;
const ORDERS = [
  ["last_seen", "last seen first"],
  ["count", "most often first"],
  ["users", "most users first"],
] as const;
const NARROWING = ["session", "device", "user"] as const;

/** Crashes, issues and feedback, the same ones as one. */
export default function IssuesPage() {
  const given = new URLSearchParams(useSearch());
  const [, go] = useLocation();
  const read = (name: string, otherwise = "") => given.get(name) ?? otherwise;
  const status = read("status", OPEN);
  const wanted = useDeferredValue(
    JSON.stringify({
      text: read("text").trim(),
      kind: read("kind"),
      status: status === "all" ? "" : status,
      version: read("version").trim(),
      session: read("session"),
      device: read("device"),
      user: read("user"),
      sort: read("sort", "last_seen"),
    }),
  );
  const found = useIssues(JSON.parse(wanted) as Record<string, string>);
  const choose = (changed: Record<string, string>, replace = false) => {
    for (const [name, value] of Object.entries(changed))
      if (value) given.set(name, value);
      else given.delete(name);
    go(given.size ? `/issues?${given}` : "/issues", { replace });
  };
  const narrowed = NARROWING.filter((name) => given.get(name));
  return (
    <div className="page wide">
      <div className="page-head">
        <h1>Issues</h1>
        <input
          type="search"
          aria-label="Title, place or fingerprint"
          placeholder="title, place or fingerprint…"
          value={read("text")}
          onChange={(event) => choose({ text: event.target.value }, true)}
        />
        <fieldset className="switch">
          <legend className="off-screen">kind</legend>
          {["", ...KINDS].map((kind) => (
            <button key={kind} type="button" aria-pressed={read("kind") === kind} onClick={() => choose({ kind })}>
              {kind || "all kinds"}
            </button>
          ))}
        </fieldset>
        <Choice label="Status" value={status} choices={STATUSES} onChoose={(chosen) => choose({ status: chosen })} />
        <Choice
          label="Order"
          value={read("sort", "last_seen")}
          choices={ORDERS}
          onChoose={(chosen) => choose({ sort: chosen })}
        />
        <input
          type="search"
          className="version-field"
          aria-label="It happened in version"
          placeholder="in version…"
          value={read("version")}
          onChange={(event) => choose({ version: event.target.value }, true)}
        />
        {narrowed.map((name) => (
          <button key={name} type="button" className="small" onClick={() => choose({ [name]: "" })}>
            {name} <bdi>{given.get(name)}</bdi> ×
          </button>
        ))}
      </div>
      {found.error && !found.issues ? (
        <Failure error={found.error} onRetry={found.refetch} />
      ) : !found.issues ? (
        <Skeleton lines={14} label="loading the issues" />
      ) : found.issues.length === 0 ? (
        <NoIssue asked={isNarrowed(given)} all={status === "all"} onAll={() => go("/issues?status=all")} />
      ) : (
        <>
          <IssueTable issues={found.issues} />
          <p className="note below-table">
            Counts are of everything that was ever told, longer than the {told.retention_days} days that events are
            kept.
          </p>
          <ShowMore of={found} />
        </>
      )}
    </div>
  );
}

interface ChoiceProps {
  label: string;
  value: string;
  choices: readonly (readonly [string, string])[];
  onChoose: (value: string) => void;
}

function Choice({ label, value, choices, onChoose }: ChoiceProps) {
  const isKnown = choices.some(([each]) => each === value);
  return (
    <select aria-label={label} value={value} onChange={(event) => onChoose(event.target.value)}>
      {!isKnown && <option value={value}>{value}</option>}
      {choices.map(([each, name]) => (
        <option key={each} value={each}>
          {name}
        </option>
      ))}
    </select>
  );
}

function NoIssue({ asked, all, onAll }: { asked: boolean; all: boolean; onAll: () => void }) {
  if (asked || !all)
    return (
      <Empty title={asked ? "No issue like that" : "No issue is open"}>
        <p>
          {asked
            ? "Other words, kinds or statuses may have one."
            : "Crashes, feedback and issues that apps tell stand here; those that are resolved or muted are behind the status."}
        </p>
        <p>
          <button type="button" onClick={onAll}>
            Show all issues
          </button>
        </p>
      </Empty>
    );
  return (
    <Empty title="No issue yet">
      <HowToSend what="a first one" path="/v1/issues" body={LIKED} />
    </Empty>
  );
}
