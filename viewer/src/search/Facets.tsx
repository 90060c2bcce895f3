import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { asApiError, ask } from "../api/client";
import type { FacetAnswer, FacetsAnswer, LogEvent } from "../api/types";
import { attributeField, split, term } from "../query/edit";
import { count, short } from "../text/numbers";
import { Name } from "../text/Shown";
import { cut } from "../text/values";
import { Icon } from "../ui/Icon";
import { afterPaint } from "../ui/idle";
import { Failure } from "../ui/Notice";
import { Skeleton } from "../ui/Skeleton";
import type { Wanted } from "./wanted";

const FIELDS = ["level", "component", "key", "session", "user", "device"];
const FIELDS_MAX = 12;
const VALUES = 8;
const MORE_VALUES = 50;
const SAMPLE_EVENTS = 200;

interface Props {
  wanted: Wanted;
  events: readonly LogEvent[];
  onTerm: (added: string, opposite: string) => void;
}

/** The most frequent values of fields: a click keeps one, alt-click leaves it out. */
export function Facets({ wanted, events, onTerm }: Props) {
  const [added, setAdded] = useState<string[]>([]);
  const [whole, setWhole] = useState("");
  const fields = [...FIELDS, ...added].slice(0, FIELDS_MAX);
  const { from, to, run } = wanted;
  const query = split(wanted.query).filter; // fields are of what is found, not of the table made from it
  const { data, error, refetch } = useQuery({
    queryKey: ["facets", query, from, to, run, fields, whole],
    queryFn: async ({ signal }) => {
      await afterPaint();
      const limit = whole ? MORE_VALUES : VALUES;
      return ask<FacetsAnswer>("/api/v1/facets", { query, from, to, fields: fields.join(","), limit }, signal);
    },
    placeholderData: (before) => before,
  });
  if (error && asApiError(error).column !== null) return null; // the query bar says what is wrong
  if (error) return <Failure error={error} onRetry={refetch} />;
  if (!data) return <Skeleton lines={18} label="loading the fields" />;
  const others = attributesOf(events).filter((field) => !fields.includes(field));
  return (
    <>
      <p className="note facets-total">
        {data.sampled
          ? `about ${short(data.events)} events; counts from a ${percent(data.sample_rate)} sample`
          : `${count(data.events)} ${data.events === 1 ? "event" : "events"}`}
      </p>
      {Object.entries(data.facets).map(([field, facet]) => (
        <Facet
          key={field}
          field={field}
          facet={facet}
          limit={whole === field ? MORE_VALUES : VALUES}
          onTerm={onTerm}
          onMore={() => setWhole(whole === field ? "" : field)}
        />
      ))}
      {others.length > 0 && (
        <label className="facet-add">
          <span className="note">another field</span>
          <select value="" onChange={(event) => setAdded([event.target.value, ...added])}>
            <option value="">choose…</option>
            {others.map((field) => (
              <option key={field} value={field}>
                {field.replace("attributes.", "")}
              </option>
            ))}
          </select>
        </label>
      )}
    </>
  );
}

interface FacetProps {
  field: string;
  facet: FacetAnswer;
  limit: number;
  onTerm: Props["onTerm"];
  onMore: () => void;
}

function Facet({ field, facet, limit, onTerm, onMore }: FacetProps) {
  const all = facet.values.reduce((sum, { count: each }) => sum + each, 0) + facet.other + facet.absent;
  if (all === 0 || (facet.values.length === 0 && facet.other === 0)) return null;
  const top = facet.values[0]?.count ?? 1;
  return (
    <section className="facet">
      <h2>{field.replace(/^attributes\./, "")}</h2>
      <ul>
        {facet.values.slice(0, limit).map(({ value, count: each }) => (
          <Value key={value} field={field} value={value} events={each} share={each / top} onTerm={onTerm} />
        ))}
      </ul>
      {(facet.other > 0 || limit > VALUES) && (
        <button type="button" className="bare note" onClick={onMore}>
          {limit > VALUES ? "fewer" : `${short(facet.other)} in other values`}
        </button>
      )}
    </section>
  );
}

interface ValueProps {
  field: string;
  value: string;
  events: number;
  share: number;
  onTerm: Props["onTerm"];
}

function Value({ field, value, events, share, onTerm }: ValueProps) {
  const only = term(field, value, true);
  const none = term(field, value, false);
  return (
    <li className="facet-value">
      <button
        type="button"
        className="bare facet-only"
        title="click: only these · alt-click: without them"
        onClick={(event) => (event.altKey ? onTerm(none, only) : onTerm(only, none))}
      >
        <span className={`facet-bar${field === "level" ? ` lv-${value}` : ""}`} style={{ width: `${share * 100}%` }} />
        <span className="facet-name">
          <Name text={cut(value, 80)} />
        </span>
        <span className="facet-count">{short(events)}</span>
      </button>
      <button
        type="button"
        className="bare facet-none"
        aria-label={`Without ${field} ${cut(value, 80)}`}
        title="without these"
        onClick={() => onTerm(none, only)}
      >
        <Icon name="minus" />
      </button>
    </li>
  );
}

function percent(share: number): string {
  return `${(share * 100).toPrecision(2)} %`;
}

/** Attributes of the events at hand, those that most of them have first. */
function attributesOf(events: readonly LogEvent[]): string[] {
  const counts = new Map<string, number>();
  for (const event of events.slice(0, SAMPLE_EVENTS))
    for (const name of Object.keys(event.attributes ?? {})) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1]).map(([name]) => attributeField(name));
}
