import { type FormEvent, useState } from "react";
import { send } from "../api/client";
import { useChange } from "./change";
import { atField } from "./faults";
import { readFields } from "./maskedFields";
import { Patterns } from "./Patterns";
import { Field, Save } from "./parts";
import { TryMasking } from "./TryMasking";
import type { Masking, OwnPattern, Rules } from "./types";

const BUILTIN: readonly [name: "bearer" | "email" | "card", finds: string][] = [
  [
    "bearer",
    "credentials after Bearer, Basic, Digest, Token, and passwords in addresses (scheme://user:PASSWORD@host)",
  ],
  ["email", "e-mail addresses"],
  ["card", "card numbers: 13 to 19 digits that pass Luhn's check"],
];

interface Props {
  path: string;
  shown: Rules;
  version: number;
  mayChange: boolean;
  /** These very rules were saved here just now. */
  wasSaved: boolean;
  onSaved: (now: Masking) => void;
  onReload: () => void;
}

export function MaskingForm({ path, shown, version, mayChange, wasSaved, onSaved, onReload }: Props) {
  const [builtin, setBuiltin] = useState<readonly string[]>(shown.builtin);
  const [fields, setFields] = useState(shown.fields.join("\n"));
  const [patterns, setPatterns] = useState(shown.patterns as OwnPattern[]);
  const rules = {
    builtin,
    fields: readFields(fields),
    patterns: patterns.filter(({ name, pattern }) => name || pattern),
  } as Rules;
  const saving = useChange((wanted: Rules) => send<Masking>("PUT", path, { rules: wanted, version }));
  const problem = (...codes: string[]) =>
    saving.error && codes.some((code) => saving.error!.code === code || saving.error!.message.includes(code))
      ? saving.error
      : null;
  const aboutFields = problem("rules.fields");
  const aboutPatterns = aboutFields ? null : problem("bad_regex", "rules.patterns");
  const names = rules.patterns?.map(({ name }) => name);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    saving.run(rules, onSaved);
  };
  return (
    <>
      <form className="card form form-wide" onSubmit={submit} onChange={saving.forget}>
        <p className="note">
          Replaced in events, rejected samples and dead letters before they are stored. What is stored already stays.
          {!mayChange && " An admin of the app changes the rules."}
        </p>
        <fieldset disabled={!mayChange}>
          <legend>Found wherever they stand</legend>
          {BUILTIN.map(([name, finds]) => (
            <label key={name} className="check">
              <input
                type="checkbox"
                checked={builtin.includes(name)}
                onChange={(event) =>
                  setBuiltin(event.target.checked ? [...builtin, name] : builtin.filter((each) => each !== name))
                }
              />
              <b>{name}</b> <span className="note">{finds}</span>
            </label>
          ))}
        </fieldset>
        <fieldset disabled={!mayChange}>
          <Field
            label="Fields whose values are masked whole"
            hint="One a line, whatever case: keys, attributes, members of JSON values, NAME=VALUE, NAME: VALUE and --NAME VALUE in texts. A _ in a name is also -, . or nothing; a * before it lets other words stand before: *api_key is X-Api-Key and mapsApiKey too."
            problem={aboutFields && atField(aboutFields, rules.fields)}
          >
            {(tied) => (
              <textarea {...tied} rows={6} value={fields} onChange={(event) => setFields(event.target.value)} />
            )}
          </Field>
        </fieldset>
        <fieldset disabled={!mayChange}>
          <legend>Own patterns</legend>
          <Patterns
            patterns={patterns}
            mayChange={mayChange}
            onChange={(now) => {
              setPatterns(now);
              saving.forget(); // one that was removed is not refused any more
            }}
            problem={aboutPatterns && atField(aboutPatterns, names)}
          />
        </fieldset>
        {mayChange && (
          <Save
            action="Save the rules"
            isRunning={saving.isRunning}
            error={aboutFields || aboutPatterns ? null : saving.error}
            onReload={onReload}
          >
            {wasSaved && !saving.error && (
              <span role="status">Saved; they count for what is processed from some seconds on.</span>
            )}
          </Save>
        )}
      </form>
      {mayChange && <TryMasking path={path} rules={rules} />}
    </>
  );
}
