import { useDeferredValue } from "react";
import { Link, useLocation, useSearch } from "wouter";
import { asApiError } from "../api/client";
import { useMayEdit } from "../api/may";
import { usePreferences } from "../app/preferences";
import { useIssueMarks } from "../issues/useIssueMarks";
import { rangeName, TimePicker } from "../time/TimePicker";
import { withoutAny } from "../ui/beyond";
import { CostLine, PartialNote } from "../ui/CostLine";
import { Empty, Failure } from "../ui/Notice";
import { ShowMore } from "../ui/ShowMore";
import { Skeleton } from "../ui/Skeleton";
import { DeviceTable } from "./DeviceTable";
import { useActivity } from "./useActivity";
import { useRules } from "./useRules";

const FIRST_RANGE = "-24h";
const FIELDS = ["model:", "os:", "os_version:", "app_version:", "language:", "user:", "name:", "keys.", "enabled:"];

/** Devices that were active lately; or, with a query, those that told of themselves what it asks for. */
export default function DevicesPage() {
  const given = new URLSearchParams(useSearch());
  const [, go] = useLocation();
  const { zone } = usePreferences();
  const mayEdit = useMayEdit();
  const where = given.get("where") ?? "";
  const user = given.get("user") ?? "";
  const from = given.get("from") ?? FIRST_RANGE;
  const range = { from: from === "all" ? "" : from, to: given.get("to") ?? "" };
  const asked = useDeferredValue(where.trim());
  const found = useDevices(asked, { ...range, user });
  const marks = useIssueMarks("device", range);
  const rules = useRules().data?.rules.filter((rule) => rule.active).length ?? 0;
  const choose = (changed: Record<string, string>, replace = false) => {
    for (const [name, value] of Object.entries(changed))
      if (value) given.set(name, value);
      else given.delete(name);
    go(given.size ? `/devices?${given}` : "/devices", { replace });
  };
  const error = found.error ? asApiError(found.error) : null;
  const refused = error !== null && error.column !== null;
  return (
    <div className="page wide">
      <div className="page-head">
        <h1>Devices</h1>
        <input
          type="search"
          className="device-query"
          aria-label="Name, or what it told"
          placeholder="name, id, model, or os:android keys.plan=gold…"
          list="device-fields"
          spellCheck={false}
          value={where}
          onChange={(event) => choose({ where: event.target.value }, true)}
        />
        <datalist id="device-fields">
          {FIELDS.map((field) => (
            <option key={field} value={completed(where, field)} />
          ))}
        </datalist>
        <TimePicker range={range} onChange={(chosen) => choose({ from: chosen.from || "all", to: chosen.to })} />
        {user && (
          <button type="button" className="small" onClick={() => choose({ user: "" })}>
            of user <bdi>{user}</bdi> ×
          </button>
        )}
        {asked && mayEdit && !refused && (
          <Link className="button" href={`/remote?query=${encodeURIComponent(asked)}`}>
            Tell these something
          </Link>
        )}
        <Link className="button" href="/remote">
          Remote control {rules > 0 && <span className="note">{rules} now</span>}
        </Link>
        <span className="push" />
        {found.cost && <CostLine cost={found.cost} />}
      </div>
      {refused && (
        <p className="problem" role="alert">
          <span className="note">column {error.column}: </span>
          {error.message}
        </p>
      )}
      <PartialNote cost={found.cost} zone={zone} />
      {error && !refused && !found.devices ? (
        <Failure error={error} onRetry={found.refetch} />
      ) : refused ? null : !found.devices ? (
        <Skeleton lines={14} />
      ) : found.devices.length === 0 ? (
        <NoDevice
          asked={asked}
          title={withoutAny(`No devices in this range: ${rangeName(range, zone)}`, range)}
          onAll={() => choose({ from: "all", to: "" })}
        />
      ) : (
        <>
          <DeviceTable devices={found.devices} marks={marks} />
          <ShowMore of={found} />
        </>
      )}
    </div>
  );
}

/** A plain word is looked for in names of devices that only sent events, too. */
function useDevices(asked: string, range: { from: string; to: string; user: string }) {
  const isWord = /^[\w.-]+$/.test(asked);
  const told = useActivity("devices", asked ? { ...range, where: asked } : range);
  const named = useActivity("devices", { ...range, q: asked }, isWord);
  const { rows } = told;
  if (!rows || !isWord || !named.rows) return { ...told, devices: rows };
  const known = new Set(rows.map(({ device }) => device));
  const others = named.rows.filter(({ device }) => !known.has(device));
  return { ...told, devices: [...rows, ...others] };
}

/** `field` in place of the word that is being typed. */
function completed(where: string, field: string): string {
  return where.replace(/[^\s()]*$/, "") + field;
}

function NoDevice({ asked, title, onAll }: { asked: string; title: string; onAll: () => void }) {
  if (!asked)
    return (
      <Empty title={title}>
        <p>Events that name no device are left out.</p>
        <p>
          <button type="button" onClick={onAll}>
            Look in everything kept
          </button>
        </p>
      </Empty>
    );
  return (
    <Empty title="No device has told that of itself">
      <p>
        Words are looked for in id, name and model; fields are <code>os:android</code>, <code>app_version:3.1*</code>,{" "}
        <code>keys.plan=gold</code>, <code>user:anna</code>, <code>enabled:false</code>.
      </p>
    </Empty>
  );
}
