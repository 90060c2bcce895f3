import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useEffect, useRef, useState } from "react";
import { Link } from "wouter";
import { asApiError, send } from "../api/client";
import type { components } from "../api/schema";
import { usePreferences } from "../app/preferences";
import { minute, zoneName } from "../time/format";
import { CopyButton } from "../ui/copy";
import { Dialog } from "../ui/Dialog";
import { Notice } from "../ui/Notice";
import type { Shown } from "./ShareButton";
import "../styles/share.css";

type NewShare = components["schemas"]["NewShareAnswer"];

const HOUR_S = 3600;
const ENDS: readonly [seconds: number, name: string][] = [
  [HOUR_S, "an hour"],
  [24 * HOUR_S, "a day"],
  [7 * 24 * HOUR_S, "a week"],
  [30 * 24 * HOUR_S, "30 days"],
];

/** Makes a link with which somebody without an account sees a session or an event, and shows it this once. */
export default function ShareDialog({ shown, onClose }: { shown: Shown; onClose: () => void }) {
  const client = useQueryClient();
  const [valid, setValid] = useState(7 * 24 * HOUR_S);
  const [redact, setRedact] = useState(true);
  const make = useMutation({
    mutationFn: () => send<NewShare>("POST", "/api/v1/shares", { ...shown, expires_in_s: valid, redact }),
    onSuccess: () => client.invalidateQueries({ queryKey: ["settings", "/api/v1/shares"] }),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    make.mutate();
  };
  const error = make.error ? asApiError(make.error) : null;
  return (
    <Dialog open onClose={onClose} title={"session" in shown ? "Share this session" : "Share this event"}>
      {make.data ? (
        <Made made={make.data} />
      ) : (
        <form className="share-form" onSubmit={submit}>
          <p>Whoever has the link sees one page, without an account and with no way into anything else.</p>
          <label>
            for{" "}
            <select value={valid} onChange={(event) => setValid(Number(event.target.value))}>
              {ENDS.map(([seconds, name]) => (
                <option key={seconds} value={seconds}>
                  {name}
                </option>
              ))}
            </select>
          </label>
          <label className="share-check">
            <input type="checkbox" checked={redact} onChange={(event) => setRedact(event.target.checked)} />
            leave out who it was
          </label>
          <p className="note" aria-live="polite">
            {redact
              ? "Users and devices get pseudonyms; addresses, e-mail addresses, card numbers, tokens and what your masking rules name are left out. A name in a text that no rule knows stays: look at the page before you pass it on."
              : "Everything is shown as it is stored, names and addresses too."}
          </p>
          {error && (
            <Notice kind="error" title={error.message}>
              <p>{error.advice}</p>
            </Notice>
          )}
          <p className="form-end">
            <button type="submit" className="primary" disabled={make.isPending}>
              {make.isPending ? "one moment…" : "Make the link"}
            </button>
          </p>
        </form>
      )}
    </Dialog>
  );
}

function Made({ made }: { made: NewShare }) {
  const { zone } = usePreferences();
  const url = new URL(made.url, location.href).href;
  const link = useRef<HTMLInputElement>(null);
  useEffect(() => link.current?.focus(), []); // and with it all of it is selected
  return (
    <div className="share-form">
      <p role="status">
        The link is good until {minute(made.expires, zone)} {zoneName(zone)}. It is shown this once: only a hash of it
        is kept.
      </p>
      <p className="share-link">
        <input ref={link} readOnly aria-label="The link" value={url} onFocus={(event) => event.target.select()} />
        <CopyButton text={() => url}>copy</CopyButton>
      </p>
      <p className="note">
        <a href={url} target="_blank" rel="noreferrer">
          Look at it
        </a>{" "}
        · <Link href="/settings/shares">all links of this app</Link>, to end one
      </p>
    </div>
  );
}
