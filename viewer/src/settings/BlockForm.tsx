import { type FormEvent, useEffect, useRef, useState } from "react";
import { send } from "../api/client";
import { useChange } from "./change";
import { fieldOf } from "./faults";
import { Field, Save } from "./parts";
import type { Block } from "./types";

export interface Source {
  kind: Block["kind"];
  value: string;
}

const KINDS: readonly [kind: Block["kind"], name: string, hint: string][] = [
  ["component", "a component", "Its name; its events are left out."],
  ["address", "an address", "One address, or a network such as 192.0.2.0/24."],
  ["key", "a key", "The first 8 to 64 hex digits of its SHA-256, as “who was refused” shows them."],
];
const HOUR_S = 3600;
const ENDS: readonly [seconds: number, name: string][] = [
  [24 * HOUR_S, "in a day"],
  [HOUR_S, "in an hour"],
  [7 * 24 * HOUR_S, "in a week"],
  [30 * 24 * HOUR_S, "in 30 days"],
  [0, "when somebody lifts it"],
];
const FIELDS = ["value", "reason"];

/** Stops a source. `first`: what it begins with, when one was chosen from those refused. */
export function BlockForm({ app, first }: { app: string; first: Source }) {
  const [kind, setKind] = useState(first.kind);
  const [value, setValue] = useState(first.value);
  const [reason, setReason] = useState("");
  const [ends, setEnds] = useState(24 * HOUR_S);
  const reasonInput = useRef<HTMLInputElement>(null);
  const blocking = useChange((body: object) => send<Block>("POST", "/api/v1/blocks", body, { app }));
  const at = blocking.error ? fieldOf(blocking.error, FIELDS) : "";
  useEffect(() => {
    if (first.value) reasonInput.current?.focus();
  }, [first]);
  const block = (event: FormEvent) => {
    event.preventDefault();
    blocking.run({ kind, value: value.trim(), reason, expires_in_s: ends || null }, () => {
      setValue("");
      setReason("");
    });
  };
  return (
    <section className="card">
      <h2>Block something</h2>
      <form className="form" onSubmit={block} onChange={blocking.forget}>
        <Field label="What">
          {(tied) => (
            <select {...tied} value={kind} onChange={(event) => setKind(event.target.value as Block["kind"])}>
              {KINDS.map(([each, name]) => (
                <option key={each} value={each}>
                  {name}
                </option>
              ))}
            </select>
          )}
        </Field>
        <Field
          label="Which"
          hint={KINDS.find(([each]) => each === kind)?.[2]}
          problem={at === "value" ? blocking.error : null}
        >
          {(tied) => (
            <input
              {...tied}
              required
              maxLength={500}
              value={value}
              onChange={(event) => setValue(event.target.value)}
            />
          )}
        </Field>
        <Field
          label="Reason"
          hint="For your colleagues, and told to whoever is blocked."
          problem={at === "reason" ? blocking.error : null}
        >
          {(tied) => (
            <input
              {...tied}
              ref={reasonInput}
              required
              maxLength={500}
              value={reason}
              onChange={(event) => setReason(event.target.value)}
            />
          )}
        </Field>
        <Field label="Ends">
          {(tied) => (
            <select {...tied} value={ends} onChange={(event) => setEnds(Number(event.target.value))}>
              {ENDS.map(([seconds, name]) => (
                <option key={seconds} value={seconds}>
                  {name}
                </option>
              ))}
            </select>
          )}
        </Field>
        <p className="note">What a blocked source sends is not stored, and cannot be had later.</p>
        <Save action="Block it" isRunning={blocking.isRunning} error={at ? null : blocking.error} />
      </form>
    </section>
  );
}
