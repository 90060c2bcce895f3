/** What the forms of the settings are made of. */
import { type ReactNode, useId, useState } from "react";
import type { ApiError } from "../api/client";
import { Name } from "../text/Shown";
import { CopyButton } from "../ui/copy";
import { Dialog } from "../ui/Dialog";
import { isConflict } from "./faults";

interface FieldProps {
  label: string;
  hint?: ReactNode;
  problem?: ApiError | null | undefined;
  /** Gets what ties the control to its label, hint and problem. */
  children: (tied: { id: string; "aria-describedby": string; "aria-invalid": boolean }) => ReactNode;
}

/** A control with its name above, and below it what it takes or why it was refused. */
export function Field({ label, hint, problem, children }: FieldProps) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {children({ id, "aria-describedby": `${id}-about`, "aria-invalid": Boolean(problem) })}
      <div id={`${id}-about`}>
        {hint && <p className="note">{hint}</p>}
        {problem && <Problem error={problem} />}
      </div>
    </div>
  );
}

/** What the API refused, and what to do about it. */
export function Problem({ error }: { error: ApiError | null | undefined }) {
  if (!error) return null;
  return (
    <p className="problem" role="alert">
      {error.message}
      {error.advice && `. ${error.advice}`}
    </p>
  );
}

interface SaveProps {
  error?: ApiError | null;
  isRunning: boolean;
  action: string;
  disabled?: boolean;
  /** Shows what somebody else made of it meanwhile; what was typed here is given up. */
  onReload?: (() => void) | undefined;
  children?: ReactNode;
}

/** The end of a form: its button, and what concerns it as a whole. */
export function Save({ error, isRunning, action, disabled = false, onReload, children }: SaveProps) {
  return (
    <>
      {isConflict(error ?? null) ? (
        <div className="notice notice-warn conflict" role="alert">
          <p className="notice-title">Somebody else has changed this meanwhile</p>
          <p>{error?.message}. Nothing of yours was saved.</p>
          {onReload && (
            <button type="button" onClick={onReload}>
              Show it as it is now
            </button>
          )}
        </div>
      ) : (
        <Problem error={error} />
      )}
      <div className="form-end">
        <button type="submit" className="primary" disabled={disabled || isRunning}>
          {isRunning ? "saving…" : action}
        </button>
        {children}
      </div>
    </>
  );
}

interface ConfirmProps {
  open: boolean;
  title: string;
  action: string;
  onClose: () => void;
  onConfirm: () => void;
  isRunning: boolean;
  error: ApiError | null;
  /** What is lost, and what stays. */
  children: ReactNode;
}

/** Asks before something that cannot be taken back. */
export function Confirm({ open, title, action, onClose, onConfirm, isRunning, error, children }: ConfirmProps) {
  return (
    <Dialog open={open} onClose={onClose} title={title}>
      <div className="confirm">
        {children}
        <Problem error={error} />
        <div className="form-end">
          <button type="button" className="danger" disabled={isRunning} onClick={onConfirm}>
            {isRunning ? "one moment…" : action}
          </button>
          <button type="button" onClick={onClose}>
            Cancel
          </button>
        </div>
      </div>
    </Dialog>
  );
}

/** A secret that no other answer will hold. */
export function Secret({ label, secret }: { label: string; secret: string }) {
  return (
    <div className="secret">
      <p>
        <b>{label}</b> <span className="note">Shown this once: only a hash of it is kept.</span>
      </p>
      <p className="secret-line">
        <code>{secret}</code>
        <CopyButton text={() => secret}>copy</CopyButton>
      </p>
    </div>
  );
}

/** One of few names: of an app, a team. */
export function Chooser(props: { label: string; value: string; among: string[]; onChoose: (value: string) => void }) {
  if (props.among.length < 2)
    return (
      <span className="note">
        {props.label} <Name text={props.value} />
      </span>
    );
  return (
    <label className="chooser">
      <span className="note">{props.label}</span>{" "}
      <select value={props.value} onChange={(event) => props.onChoose(event.target.value)}>
        {props.among.map((each) => (
          <option key={each}>{each}</option>
        ))}
      </select>
    </label>
  );
}

/** A table that scrolls by itself where it is wider than the page. */
export function Table({ label, head, children }: { label: string; head: readonly string[]; children: ReactNode }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
    <div className="scrolling" tabIndex={0} role="region" aria-label={label}>
      <table className="data">
        <thead>
          <tr>
            {head.map((name, index) => (
              <th key={index} scope="col">
                {name || <span className="off-screen">what can be done</span>}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}

/** What is open in a dialog, and how it closes. */
export function useOpen<Thing>() {
  const [thing, setThing] = useState<Thing | null>(null);
  return { thing, open: (chosen: Thing) => setThing(chosen), close: () => setThing(null) };
}
