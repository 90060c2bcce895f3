import { useState } from "react";
import { told } from "../api/told";
import { usePreferences } from "../app/preferences";
import { Icon } from "../ui/Icon";
import { Popover } from "../ui/Popover";
import { minute, type Zone, zoneName } from "./format";
import { isRelative, PRESETS, parseTime, type Range, resolve } from "./range";

interface Props {
  range: Range;
  onChange: (range: Range) => void;
  /** To the time before or after; absent where that makes no sense. */
  onShift?: (by: -1 | 1) => void;
}

/** The range as a button: the presets, and any begin and end. */
export function TimePicker({ range, onChange, onShift }: Props) {
  const [open, setOpen] = useState(false);
  const { zone } = usePreferences();
  const choose = (chosen: Range) => {
    setOpen(false);
    onChange(chosen);
  };
  const picker = (
    <Popover
      open={open}
      onOpenChange={setOpen}
      label={`Time: ${rangeName(range, zone)}`}
      triggerClass="time-button"
      trigger={<span>{rangeName(range, zone)}</span>}
    >
      <div className="time-picker">
        <ul className="presets" aria-label="the last">
          {PRESETS.map(([from, name]) => (
            <li key={from}>
              <button
                type="button"
                className="menu-item"
                aria-pressed={range.from === from && !range.to}
                onClick={() => choose({ from, to: "" })}
              >
                {from ? `last ${name}` : name}
              </button>
            </li>
          ))}
        </ul>
        <Exact range={range} zone={zone} onChoose={choose} />
      </div>
    </Popover>
  );
  if (!onShift) return picker;
  const isAll = !range.from && !range.to; // there is nothing before and after it
  return (
    <span className="time-steps">
      <Step
        label="Earlier"
        icon="left"
        title="the time before this one ( [ )"
        isOff={isAll}
        onStep={() => onShift(-1)}
      />
      {picker}
      <Step label="Later" icon="right" title="the time after this one ( ] )" isOff={isAll} onStep={() => onShift(1)} />
    </span>
  );
}

interface StepProps {
  label: string;
  icon: "left" | "right";
  title: string;
  isOff: boolean;
  onStep: () => void;
}

function Step({ label, icon, title, isOff, onStep }: StepProps) {
  return (
    <button
      type="button"
      className="quiet icon-button"
      aria-label={label}
      title={title}
      disabled={isOff}
      onClick={onStep}
    >
      <Icon name={icon} />
    </button>
  );
}

function Exact({ range, zone, onChoose }: { range: Range; zone: Zone; onChoose: (range: Range) => void }) {
  const [from, setFrom] = useState(() => written(range.from, zone));
  const [to, setTo] = useState(() => written(range.to, zone));
  const [problem, setProblem] = useState("");
  const submit = () => {
    const now = Date.now();
    const read = (text: string) => (text.trim() ? asGiven(text, zone, now) : "");
    const chosen = { from: read(from), to: read(to) };
    if (chosen.from === null || chosen.to === null)
      return setProblem("Write 2026-08-01 10:00, epoch milliseconds, or -15m.");
    const span = resolve({ from: chosen.from, to: chosen.to }, now, told.retention_days);
    if (span.from >= span.to) return setProblem("The begin is not before the end.");
    onChoose({ from: chosen.from, to: chosen.to });
  };
  return (
    <form
      className="exact"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <label>
        from <input value={from} onChange={(event) => setFrom(event.target.value)} placeholder="the oldest kept" />
      </label>
      <label>
        to <input value={to} onChange={(event) => setTo(event.target.value)} placeholder="now" />
      </label>
      <p className="note">
        Times are {zoneName(zone)}. Relative ones work too: <code>-2h</code>, <code>now-1d</code>.
      </p>
      {problem && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
      <button type="submit" className="primary">
        Show this range
      </button>
    </form>
  );
}

function written(time: string, zone: Zone): string {
  return /^\d{4}-/.test(time) ? minute(time, zone) + time.slice(16, 19) : time;
}

/** A time as the API reads it: dates without an offset are in the zone that the page shows. Null: it is none. */
function asGiven(text: string, zone: Zone, now: number): string | null {
  const trimmed = text.trim();
  if (!/^\d{4}-/.test(trimmed) || /(?:Z|[+-]\d{2}:\d{2})$/i.test(trimmed))
    return parseTime(trimmed, now) === null ? null : trimmed;
  const dated = trimmed.length === 10 ? `${trimmed}T00:00` : trimmed.replace(" ", "T");
  const at = Date.parse(zone === "utc" ? `${dated}Z` : dated);
  return Number.isNaN(at) ? null : new Date(at).toISOString();
}

export function rangeName(range: Range, zone: Zone): string {
  const preset = PRESETS.find(([from]) => from === range.from && !range.to);
  if (preset) return preset[0] ? `last ${preset[1]}` : preset[1];
  if (isRelative(range)) return `since ${range.from}`;
  const from = range.from ? said(range.from, zone) : "the oldest kept";
  return `${from} – ${range.to ? said(range.to, zone) : "now"}`;
}

function said(time: string, zone: Zone): string {
  if (!/^\d{4}-/.test(time) && !/^\d+$/.test(time)) return time;
  const at = parseTime(time, 0);
  return at === null ? time : minute(at, zone) + new Date(at).toISOString().slice(16, 19);
}
