import { useQuery } from "@tanstack/react-query";
import { useDeferredValue, useEffect, useState } from "react";
import { asApiError, send } from "../api/client";
import { Shown } from "../text/Shown";
import { Field, Problem } from "./parts";
import type { Masking, Rules } from "./types";

const SETTLE_MS = 300; // after the last key
const FIRST = "pin=1234 Authorization: Bearer abc.def from anna@example.org, password: hunter2";

/** Shows what of a text would be stored under the rules as they stand in the form, saved or not. */
export function TryMasking({ path, rules }: { path: string; rules: Rules }) {
  const [sample, setSample] = useState(FIRST);
  const asked = useSettled(JSON.stringify({ rules, sample: useDeferredValue(sample) }));
  const { data, error } = useQuery({
    queryKey: ["masking", path, asked],
    queryFn: () => send<Masking>("PUT", path, JSON.parse(asked), { dry_run: true }),
    placeholderData: (before) => before,
    retry: false,
  });
  return (
    <section className="card form form-wide">
      <h2>
        Try it <span className="note">with the rules above, saved or not; nothing is kept of the text</span>
      </h2>
      <Field label="A line of your logs, without real secrets">
        {(tied) => (
          <textarea
            {...tied}
            rows={3}
            maxLength={65_536}
            value={sample}
            onChange={(event) => setSample(event.target.value)}
          />
        )}
      </Field>
      <p className="note">What would be stored</p>
      <output className="tried">
        {error ? <Problem error={asApiError(error)} /> : <pre>{data && <Shown text={data.sample ?? ""} />}</pre>}
      </output>
    </section>
  );
}

function useSettled(text: string): string {
  const [settled, setSettled] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(text), SETTLE_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return settled;
}
