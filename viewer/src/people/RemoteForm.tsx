import { useState } from "react";
import { asApiError } from "../api/client";
import { usePreferences } from "../app/preferences";
import { minute, zoneName } from "../time/format";
import { LEVELS } from "../ui/levels";
import { Notice } from "../ui/Notice";
import { isNothing, LASTS, PRESETS, percent, same, type Wanted, words } from "./remote";
import { type Target, useMakeRule, useNow } from "./useRules";

const SHARES = [1, 0.5, 0.1, 0.01];
const WHY_CHARS_MAX = 500;

interface Props {
  target: Target;
  /** For the button: `this device`. */
  whom: string;
  /** Nobody can be told as it stands, such as while a query cannot be read. */
  disabled?: boolean;
}

/** What devices are to send, and until when: it always ends. */
export function RemoteForm({ target, whom, disabled = false }: Props) {
  const [wanted, setWanted] = useState<Wanted>(PRESETS[0]![1]);
  const [lasts, setLasts] = useState(LASTS[1]![0]);
  const [why, setWhy] = useState("");
  const { zone } = usePreferences();
  const now = useNow();
  const make = useMakeRule();
  const error = make.error ? asApiError(make.error) : null;
  const submit = () => make.mutate({ ...target, ...wanted, for_s: lasts, why }, { onSuccess: () => setWhy("") });
  return (
    <form
      className="remote-form"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <fieldset className="switch remote-presets">
        <legend className="off-screen">what it is to send</legend>
        {PRESETS.map(([name, preset]) => (
          <button key={name} type="button" aria-pressed={same(preset, wanted)} onClick={() => setWanted(preset)}>
            {name}
          </button>
        ))}
      </fieldset>
      <Settings wanted={wanted} onChange={setWanted} />
      <div className="remote-fields">
        <label>
          for
          <select value={lasts} onChange={(event) => setLasts(Number(event.target.value))}>
            {LASTS.map(([seconds, name]) => (
              <option key={seconds} value={seconds}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <label className="remote-why">
          why
          <input
            value={why}
            maxLength={WHY_CHARS_MAX}
            placeholder="ticket 17"
            autoComplete="off"
            onChange={(event) => setWhy(event.target.value)}
          />
        </label>
        <button type="submit" className="primary" disabled={disabled || make.isPending || isNothing(wanted)}>
          Tell {whom}
        </button>
      </div>
      <p className="note" aria-live="polite">
        {isNothing(wanted)
          ? "Say one thing at least."
          : `“${words(wanted)}”, until ${minute(now + lasts * 1000, zone)} ${zoneName(zone)}; then its own settings hold again.`}
      </p>
      {error && (
        <Notice kind="error" title={error.message}>
          <p>{error.advice}</p>
        </Notice>
      )}
      {make.isSuccess && !error && (
        <p className="note" role="status">
          Told. A device hears of it with the next thing it sends, else when it asks.
        </p>
      )}
    </form>
  );
}

function Settings({ wanted, onChange }: { wanted: Wanted; onChange: (wanted: Wanted) => void }) {
  const change = (changed: Partial<Wanted>) => onChange({ ...wanted, ...changed });
  return (
    <div className="remote-fields">
      <label>
        sending
        <select
          value={String(wanted.enabled)}
          onChange={(event) => change({ enabled: { true: true, false: false }[event.target.value] ?? null })}
        >
          <option value="null">as it is set itself</option>
          <option value="true">on</option>
          <option value="false">off, go on buffering</option>
        </select>
      </label>
      <label>
        level
        <select value={wanted.min_level ?? ""} onChange={(event) => change({ min_level: event.target.value || null })}>
          <option value="">its own</option>
          {LEVELS.map((level) => (
            <option key={level} value={level}>
              {level} and up
            </option>
          ))}
        </select>
      </label>
      <label>
        sessions
        <select
          value={wanted.sample_rate ?? ""}
          onChange={(event) => change({ sample_rate: event.target.value ? Number(event.target.value) : null })}
        >
          <option value="">its own part</option>
          {SHARES.map((share) => (
            <option key={share} value={share}>
              {share === 1 ? "all" : percent(share)}
            </option>
          ))}
        </select>
      </label>
      <label className="remote-check">
        <input
          type="checkbox"
          checked={wanted.send_all_now}
          onChange={(event) => change({ send_all_now: event.target.checked })}
        />
        send all it has buffered, once
      </label>
    </div>
  );
}
