import { useQuery } from "@tanstack/react-query";
import { useDeferredValue, useState } from "react";
import { Link, useSearch } from "wouter";
import { asApiError, ask } from "../api/client";
import { useMayEdit } from "../api/may";
import type { DeviceAnswer } from "../api/types";
import { Empty, Failure } from "../ui/Notice";
import { Skeleton } from "../ui/Skeleton";
import { RemoteForm } from "./RemoteForm";
import { RuleTable } from "./RuleTable";
import { type Target, useRules } from "./useRules";

/** All rules of remote control, those that hold and those that ended lately; and a form for a new one. */
export default function RemotePage() {
  const { data, error, refetch } = useRules();
  const mayEdit = useMayEdit();
  const active = data?.rules.filter((rule) => rule.active) ?? [];
  const ended = data?.rules.filter((rule) => !rule.active) ?? [];
  return (
    <div className="page wide">
      <div className="page-head">
        <h1>Remote control</h1>
        <span className="note">
          what devices send, for a limited time · <Link href="/devices">devices</Link>
        </span>
      </div>
      {mayEdit && <NewRule />}
      <h2>What holds now</h2>
      {error && !data ? (
        <Failure error={error} onRetry={refetch} />
      ) : !data ? (
        <Skeleton lines={6} />
      ) : active.length ? (
        <RuleTable rules={active} label="Rules that hold now" />
      ) : (
        <Empty title="Nothing is told to any device: their own settings hold" />
      )}
      {ended.length > 0 && (
        <details className="ended">
          <summary>{ended.length} that ended within seven days</summary>
          <RuleTable rules={ended} label="Rules that ended" />
        </details>
      )}
    </div>
  );
}

const KINDS = [
  ["device", "one device"],
  ["user", "one user"],
  ["query", "all devices that match"],
] as const;
type Kind = (typeof KINDS)[number][0];

function NewRule() {
  const given = new URLSearchParams(useSearch());
  const [kind, setKind] = useState<Kind>(KINDS.map(([each]) => each).find((each) => given.has(each)) ?? "query");
  const [name, setName] = useState(given.get(kind) ?? "");
  const [all, setAll] = useState(false);
  const trimmed = name.trim();
  const found = useMatching(kind === "query" ? trimmed : null);
  const target: Target = { [kind]: trimmed };
  const isAll = kind === "query" && trimmed === "";
  return (
    <section className="card">
      <h2>Tell devices something</h2>
      <div className="remote-fields">
        <label>
          whom
          <select value={kind} onChange={(event) => setKind(event.target.value as Kind)}>
            {KINDS.map(([each, words]) => (
              <option key={each} value={each}>
                {words}
              </option>
            ))}
          </select>
        </label>
        <label className="remote-why">
          {kind === "query" ? "what they told" : `name of the ${kind}`}
          <input
            value={name}
            spellCheck={false}
            autoComplete="off"
            placeholder={kind === "query" ? "app_version:3.1* os:android keys.plan=gold" : ""}
            onChange={(event) => setName(event.target.value)}
          />
        </label>
        {isAll && (
          <label className="remote-check">
            <input type="checkbox" checked={all} onChange={(event) => setAll(event.target.checked)} />
            yes, all devices
          </label>
        )}
      </div>
      {kind === "query" && (
        <p className={found.problem ? "problem" : "note"} aria-live="polite">
          {found.problem || found.said}
        </p>
      )}
      <RemoteForm
        target={target}
        whom={kind === "query" ? (isAll ? "all devices" : "these devices") : `this ${kind}`}
        disabled={isAll ? !all : !trimmed || found.problem !== ""}
      />
    </section>
  );
}

const LOOKED_AT = 200;

/** How many devices a query names now, of those that told of themselves; null asks nothing. */
function useMatching(query: string | null): { said: string; problem: string } {
  const where = useDeferredValue(query);
  const { data, error } = useQuery({
    queryKey: ["activity", "devices", "matching", where],
    enabled: where !== null,
    queryFn: ({ signal }) =>
      ask<{ devices: DeviceAnswer[]; next: string | null }>(
        "/api/v1/devices",
        { where: where || "*", from: "-1m", limit: LOOKED_AT },
        signal,
      ),
    retry: false,
  });
  if (where === null) return { said: "", problem: "" };
  if (error) return { said: "", problem: asApiError(error).message };
  if (!data) return { said: "…", problem: "" };
  const number = `${data.devices.length}${data.next ? " or more" : ""}`;
  return {
    said: `${number} ${number === "1" ? "device" : "devices"} match now; those that tell something later are looked at as they come.`,
    problem: "",
  };
}
