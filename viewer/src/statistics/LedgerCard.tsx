import { useQuery } from "@tanstack/react-query";
import { ask } from "../api/client";
import type { Ledger } from "../api/types";
import { count } from "../text/numbers";
import { Failure } from "../ui/Notice";
import { Skeleton } from "../ui/Skeleton";

const REFRESH_MS = 10_000;

/** What became of every event since the first start; nothing is lost silently. */
export function LedgerCard() {
  const { data, error, refetch } = useQuery({
    queryKey: ["ledger"],
    queryFn: ({ signal }) => ask<Ledger>("/api/v1/ledger", {}, signal),
    refetchInterval: REFRESH_MS,
  });
  return (
    <section className="card">
      <h2>
        Ledger <span className="note">what became of every event since the first start</span>
      </h2>
      {error ? <Failure error={error} onRetry={refetch} /> : !data ? <Skeleton lines={3} /> : <Tiles ledger={data} />}
    </section>
  );
}

function Tiles({ ledger }: { ledger: Ledger }) {
  const rejected = Object.values(ledger.rejected).reduce((sum, each) => sum + each, 0);
  const tiles: [string, number, boolean][] = [
    ["received", ledger.received, false],
    ["stored", ledger.stored, false],
    ["queued", ledger.queued, false],
    ["rejected", rejected, rejected > 0],
    ["over quota", ledger.over_quota, ledger.over_quota > 0],
    ["expired", ledger.expired, false],
    ["erased", ledger.erased, false],
  ];
  const rest =
    ledger.received - (ledger.stored + ledger.queued + rejected + ledger.over_quota + ledger.expired + ledger.erased);
  return (
    <>
      <dl className="tiles">
        {tiles.map(([name, number, isBad]) => (
          <div key={name} className={isBad ? "bad" : ""}>
            <dt>{name}</dt>
            <dd>{count(number)}</dd>
          </div>
        ))}
      </dl>
      <p className="note">
        {rest === 0 ? "Received is the sum of all others: it balances." : `${count(rest)} are on their way just now.`}
      </p>
    </>
  );
}
