import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { ask } from "../api/client";
import type { Ledger, RejectedSample } from "../api/types";
import { usePreferences } from "../app/preferences";
import { count } from "../text/numbers";
import { Name, Shown } from "../text/Shown";
import { cut } from "../text/values";
import { dateTime } from "../time/format";
import { Failure } from "../ui/Notice";

const SAMPLES = 100;
const SHOWN_CHARS = 600;

/** What was not stored, by reason, with samples to look at. */
export function Rejects() {
  const { zone } = usePreferences();
  const [reason, setReason] = useState("");
  const ledger = useQuery({ queryKey: ["ledger"], queryFn: ({ signal }) => ask<Ledger>("/api/v1/ledger", {}, signal) });
  const { data, error, refetch } = useQuery({
    queryKey: ["rejected"],
    queryFn: ({ signal }) => ask<{ rejected: RejectedSample[] }>("/api/v1/rejected", { limit: SAMPLES }, signal),
  });
  const reasons = Object.entries(ledger.data?.rejected ?? {}).filter(([, each]) => each > 0);
  const samples = (data?.rejected ?? []).filter((sample) => !reason || sample.reason === reason);
  return (
    <section className="card">
      <h2>
        Rejected <span className="note">samples of what was refused, newest first; the counts are in the ledger</span>
      </h2>
      {error && <Failure error={error} onRetry={refetch} />}
      {reasons.length > 0 && (
        <p className="choices-left">
          {reasons.map(([name, each]) => (
            <button
              key={name}
              type="button"
              className="small"
              aria-pressed={reason === name}
              onClick={() => setReason(reason === name ? "" : name)}
            >
              {name.replaceAll("_", " ")} <b>{count(each)}</b>
            </button>
          ))}
        </p>
      )}
      {data && samples.length === 0 && <p className="note">Nothing was refused.</p>}
      {samples.length > 0 && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
        <div className="scrolling" tabIndex={0} role="region" aria-label="Rejected samples">
          <table className="data">
            <thead>
              <tr>
                <th scope="col">time</th>
                <th scope="col">reason</th>
                <th scope="col">from</th>
                <th scope="col">what it was</th>
              </tr>
            </thead>
            <tbody>
              {samples.map((sample, index) => (
                <tr key={index}>
                  <td className="when">{dateTime(sample.time, zone)}</td>
                  <td>
                    <b>{sample.reason.replaceAll("_", " ")}</b>
                    <br />
                    <span className="note">
                      <Name text={sample.message} />
                    </span>
                  </td>
                  <td>
                    <Name text={sample.source} />
                  </td>
                  <td>
                    <pre>
                      <Shown text={cut(sample.text, SHOWN_CHARS)} />
                    </pre>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}
