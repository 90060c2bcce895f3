import { useLocation, useSearch } from "wouter";
import { told } from "../api/told";
import { TimePicker } from "../time/TimePicker";
import { ByComponent } from "./ByComponent";
import { KeyMetric } from "./KeyMetric";
import { LedgerCard } from "./LedgerCard";
import { Rejects } from "./Rejects";

const FIRST_RANGE = "-24h";

/** Numbers of an app: what comes from where, what a key's numbers do, what became of every event. */
export default function StatisticsPage() {
  const given = new URLSearchParams(useSearch());
  const [, go] = useLocation();
  const from = given.get("from") ?? FIRST_RANGE;
  const range = { from: from === "all" ? "" : from, to: given.get("to") ?? "" };
  const choose = (changed: Record<string, string>) => {
    for (const [name, value] of Object.entries(changed))
      if (value) given.set(name, value);
      else given.delete(name);
    go(`/statistics?${given}`);
  };
  return (
    <div className="page wide">
      <div className="page-head">
        <h1>Statistics</h1>
        <span className="note">of {told.app}</span>
        <span className="push" />
        <TimePicker range={range} onChange={(chosen) => choose({ from: chosen.from || "all", to: chosen.to })} />
      </div>
      <ByComponent range={range} onRange={(chosen) => choose({ ...chosen })} />
      <KeyMetric range={range} metric={given.get("key") ?? ""} onMetric={(key) => choose({ key })} />
      <LedgerCard />
      <Rejects />
    </div>
  );
}
