import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useLocation } from "wouter";
import { asApiError, send } from "../api/client";
import { useMayEdit } from "../api/may";
import type { RegisteredAnswer } from "../api/types";
import { usePreferences } from "../app/preferences";
import { namedHref } from "../events/links";
import { quoted } from "../query/edit";
import { Name } from "../text/Shown";
import { cut, valueText } from "../text/values";
import { ago, dateTime } from "../time/format";
import { Notice } from "../ui/Notice";

const FACTS = ["name", "model", "os", "os_version", "app_version", "language", "sdk"] as const;
const WORDS: Record<string, string> = {
  os: "system",
  os_version: "its version",
  app_version: "app",
  sdk: "SDK",
};

/** What a device told of itself, and what people call it. */
export function DeviceCard({ device, registered }: { device: string; registered: RegisteredAnswer | null }) {
  const { zone } = usePreferences();
  const mayEdit = useMayEdit();
  if (!registered)
    return (
      <p className="note">
        It told nothing of itself: apps do with <code>POST /v1/devices</code>.
      </p>
    );
  const keys = Object.entries(registered.keys);
  return (
    <section className="card" aria-label="What it told of itself">
      <dl className="facts">
        {FACTS.map(
          (fact) =>
            registered[fact] && (
              <div key={fact}>
                <dt>{WORDS[fact] ?? fact}</dt>
                <dd>
                  <Link href={`/devices?from=all&where=${encodeURIComponent(`${fact}=${quoted(registered[fact])}`)}`}>
                    <Name text={registered[fact]} />
                  </Link>
                </dd>
              </div>
            ),
        )}
        {registered.user && (
          <div>
            <dt>user</dt>
            <dd>
              <Link href={namedHref("user", registered.user)}>
                <Name text={registered.user} />
              </Link>
            </dd>
          </div>
        )}
        <div>
          <dt>told</dt>
          <dd title={`first ${dateTime(registered.first, zone)}`}>{ago(registered.last, Date.now())}</dd>
        </div>
      </dl>
      {keys.length > 0 && (
        <dl className="facts key-facts" aria-label="custom keys">
          {keys.map(([name, value]) => (
            <div key={name}>
              <dt>
                <Name text={name} />
              </dt>
              <dd>
                <Name text={cut(valueText(value), 200)} />
              </dd>
            </div>
          ))}
        </dl>
      )}
      {mayEdit && <Label device={device} label={registered.label} />}
    </section>
  );
}

function Label({ device, label }: { device: string; label: string }) {
  const client = useQueryClient();
  const [, go] = useLocation();
  const [text, setText] = useState(label);
  const [sure, setSure] = useState(false);
  const path = `/api/v1/devices/${encodeURIComponent(device)}`;
  const follow = () => client.invalidateQueries({ queryKey: ["activity", "devices"] });
  const named = useMutation({
    mutationFn: () => send<unknown>("PATCH", path, { label: text.trim() }),
    onSuccess: follow,
  });
  const forgotten = useMutation({
    mutationFn: () => send<unknown>("DELETE", path),
    onSuccess: () => {
      void follow();
      go("/devices");
    },
  });
  const error = named.error ?? forgotten.error;
  return (
    <form
      className="remote-fields"
      onSubmit={(event) => {
        event.preventDefault();
        named.mutate();
      }}
    >
      <label>
        what you call it
        <input value={text} maxLength={192} autoComplete="off" onChange={(event) => setText(event.target.value)} />
      </label>
      <button type="submit" disabled={named.isPending || text.trim() === label}>
        Save the name
      </button>
      {sure ? (
        <button type="button" className="danger" disabled={forgotten.isPending} onClick={() => forgotten.mutate()}>
          Forget what it told, and its rules
        </button>
      ) : (
        <button type="button" className="quiet note" onClick={() => setSure(true)}>
          forget it…
        </button>
      )}
      {sure && <span className="note">Its events stay: an erasure takes those.</span>}
      {error && <Notice kind="error" title={asApiError(error).message} />}
    </form>
  );
}
