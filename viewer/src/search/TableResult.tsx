import { useQuery } from "@tanstack/react-query";
import { ask } from "../api/client";
import type { StatsAnswer } from "../api/types";
import { usePreferences } from "../app/preferences";
import { count } from "../text/numbers";
import { Shown } from "../text/Shown";
import { plain } from "../text/symbols";
import { cut, valueText } from "../text/values";
import { dateTime, type Zone } from "../time/format";
import { withoutAny } from "../ui/beyond";
import { CostLine, PartialNote } from "../ui/CostLine";
import { Empty, Failure } from "../ui/Notice";
import { Skeleton } from "../ui/Skeleton";
import type { Wanted } from "./wanted";

export function useStats(query: string, from: string, to: string, run: number, enabled = true) {
  return useQuery({
    queryKey: ["stats", query, from, to, run],
    enabled,
    queryFn: ({ signal }) => ask<StatsAnswer>("/api/v1/stats", { query, from, to }, signal),
  });
}

/** What the stages of a query make. */
export function TableResult({ wanted }: { wanted: Wanted }) {
  const { zone } = usePreferences();
  const { data, error, refetch } = useStats(wanted.query, wanted.from, wanted.to, wanted.run);
  if (error) return <Failure error={error} onRetry={refetch} />;
  if (!data) return <Skeleton lines={16} />;
  if (!data.rows.length)
    return <Empty title={withoutAny("The table has no rows: nothing matches in this range", wanted)} />;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
    <div className="table-result" tabIndex={0} role="region" aria-label="Table">
      <PartialNote cost={data} zone={zone} />
      <table className="data">
        <thead>
          <tr>
            {data.columns.map(({ name, kind }) => (
              <th key={name} scope="col" className={kind === "number" ? "number" : ""}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {data.rows.map((row, index) => (
            <tr key={index}>
              {row.map((value, at) => (
                <Cell key={at} value={value} kind={data.columns[at]?.kind ?? "text"} zone={zone} />
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      <p className="foot note">
        {data.rows.length} rows{data.truncated ? ", and there are more: add | limit 10000" : ""} ·{" "}
        <CostLine cost={data} />
      </p>
    </div>
  );
}

/** One line; a long text is cut to what there is room for, and more of it is in the tip. */
function Cell({ value, kind, zone }: { value: unknown; kind: string; zone: Zone }) {
  const text = said(value, kind, zone);
  const isFree = kind !== "number" && kind !== "time"; // as long as a sender likes
  return (
    <td className={isFree ? "free" : kind} title={isFree ? plain(text) : undefined}>
      {value === "" ? <span className="note">none</span> : <Shown text={text} />}
    </td>
  );
}

function said(value: unknown, kind: string, zone: Zone): string {
  if (value === null || value === undefined) return "–";
  if (kind === "time" && typeof value === "string") return dateTime(value, zone);
  if (typeof value === "number" || typeof value === "bigint") return count(value);
  return cut(valueText(value), 2000);
}
