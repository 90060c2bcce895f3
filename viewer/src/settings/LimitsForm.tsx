import { type FormEvent, useState } from "react";
import { send } from "../api/client";
import { count } from "../text/numbers";
import {
  type ComponentDraft,
  ComponentLimitsTable,
  isWrong,
  nameProblems,
  readComponents,
  writeComponents,
} from "./ComponentLimits";
import { useChange } from "./change";
import { atField, fieldOf } from "./faults";
import { Confirm, Field, Save } from "./parts";
import type { Limits, LimitsSet } from "./types";
import { amount, daysText, erases, typed } from "./use";

type Amounts = Omit<LimitsSet, "components">;
type Amount = keyof Amounts;

const AMOUNTS: readonly [field: Amount, label: string, hint: string][] = [
  ["events_per_day", "Events a day", ""],
  ["bytes_per_day", "Bytes a day", "Of events as they are sent, inflated."],
  ["events_per_second", "Events a second", ""],
  ["burst_events", "Burst", "Events that may come at once before the limit a second counts."],
  ["key_events_per_second", "Events a second of each key", ""],
  ["address_events_per_second", "Events a second of each address", ""],
  ["component_events_per_second", "Events a second of each component", ""],
  ["retention_days", "Days kept", "Today among them."],
];
const FIELDS = AMOUNTS.map(([field]) => field);

interface Props {
  path: string;
  shown: Limits;
  mayChange: boolean;
  /** These very limits were saved here just now. */
  wasSaved: boolean;
  onSaved: (version: number) => void;
  onReload: () => void;
}

type Draft = Record<Amount, string>;

function draftOf(limits: LimitsSet): Draft {
  return Object.fromEntries(FIELDS.map((field) => [field, typed(limits[field])])) as Draft;
}

export function LimitsForm({ path, shown, mayChange, wasSaved, onSaved, onReload }: Props) {
  const [draft, setDraft] = useState(draftOf(shown.limits));
  const [components, setComponents] = useState<ComponentDraft[]>(readComponents(shown.limits.components));
  const [asks, setAsks] = useState(false);
  const saving = useChange((limits: LimitsSet) => send<Limits>("PUT", path, { limits, version: shown.version }));
  const wrong = FIELDS.filter((field) => amount(draft[field]) === undefined);
  const at = saving.error ? fieldOf(saving.error, FIELDS) : "";
  const wanted = Object.fromEntries(FIELDS.map((field) => [field, amount(draft[field]) ?? null])) as Amounts;
  const save = () => saving.run({ ...wanted, components: writeComponents(components) }, (now) => onSaved(now.version));
  const days = wanted.retention_days ?? null;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (erases(days, shown.retention_days)) setAsks(true);
    else save();
  };
  return (
    <form className="form form-wide" onSubmit={submit} onChange={saving.forget}>
      <fieldset disabled={!mayChange} className="amounts">
        {AMOUNTS.map(([field, label, hint]) => (
          <Field
            key={field}
            label={label}
            hint={wrong.includes(field) ? <span className="problem">A number, or nothing.</span> : hint}
            problem={at === field && saving.error ? atField(saving.error) : null}
          >
            {(tied) => (
              <input
                {...tied}
                inputMode="decimal"
                placeholder={inForce(shown, field)}
                value={draft[field]}
                onChange={(event) => setDraft({ ...draft, [field]: event.target.value })}
              />
            )}
          </Field>
        ))}
      </fieldset>
      <p className="note">Empty: as the settings of the service say. 0: no limit; of days there is one at least.</p>
      <fieldset disabled={!mayChange}>
        <legend>Of one component</legend>
        {!mayChange && components.length === 0 && <p className="note">None has limits of its own.</p>}
        <ComponentLimitsTable drafts={components} onChange={setComponents} mayChange={mayChange} />
      </fieldset>
      {mayChange && (
        <Save
          action="Save the limits"
          isRunning={saving.isRunning}
          error={at ? null : saving.error}
          disabled={wrong.length > 0 || components.some(isWrong) || nameProblems(components).some(Boolean)}
          onReload={onReload}
        >
          {wasSaved && !saving.error && <span role="status">Saved; it counts everywhere within seconds.</span>}
        </Save>
      )}
      <Confirm
        open={asks}
        title={`Keep events for ${daysText(days)} only?`}
        action="Erase what is older"
        onClose={() => setAsks(false)}
        onConfirm={() => {
          setAsks(false);
          save();
        }}
        isRunning={saving.isRunning}
        error={null}
      >
        <p>
          Now {shown.app} keeps {daysText(shown.retention_days)}. Its events of the days before the last{" "}
          {days === 1 ? "one" : days} are erased for good; this cannot be taken back.
        </p>
      </Confirm>
    </form>
  );
}

/** What counts where nothing was set for the app. */
function inForce(shown: Limits, field: Amount): string {
  if (shown.limits[field] !== null && shown.limits[field] !== undefined) return "";
  if (field === "retention_days") return `${shown.retention_days}, as the settings say`;
  if (field === "burst_events" && !shown.in_force.events_per_second) return "some seconds’ worth";
  const now = shown.in_force[field];
  return now ? `${count(now)}, as the settings say` : "no limit";
}
