import { useMutation, useQueries, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";
import { address, ask, send } from "../api/client";
import type { Me } from "../api/me";
import type { components } from "../api/schema";
import { usePreferences } from "../app/preferences";
import { Name } from "../text/Shown";
import { minute } from "../time/format";
import { Failure } from "../ui/Notice";
import { Skeleton } from "../ui/Skeleton";

type Token = components["schemas"]["TokenAnswer"];

/** Tokens that stand for this person, of all their teams. */
export function OwnTokens({ me }: { me: Me }) {
  const { zone } = usePreferences();
  const client = useQueryClient();
  const teams = me.teams.filter((each) => each.scopes.includes("read")).map((each) => each.team);
  const found = useQueries({
    queries: teams.map((team) => ({
      queryKey: ["own-tokens", team],
      queryFn: () => ask<{ tokens: Token[] }>("/api/v1/tokens", { team }),
    })),
  });
  const revoking = useMutation({
    mutationFn: ({ token, team }: Token) =>
      send("DELETE", address(`/api/v1/tokens/${encodeURIComponent(token)}`, { team })),
    onSettled: () => client.invalidateQueries({ queryKey: ["own-tokens"] }),
  });
  const error = found.find((each) => each.error)?.error ?? revoking.error;
  const own = found.flatMap((each) => each.data?.tokens ?? []).filter((token) => token.person === me.id);
  if (found.some((each) => each.isPending)) return <Skeleton lines={2} label="loading your tokens" />;
  return (
    <>
      {error && <Failure error={error} />}
      <p className="note">With a token a program reads in your name; it may never do more than you may yourself.</p>
      <ul className="account-list">
        {own.map((token) => (
          <li key={token.token}>
            <div>
              <p>
                <Name text={token.name} /> <code className="note">{token.prefix}…</code>
              </p>
              <p className="note">
                {token.scopes.join(", ")} in <Name text={token.app ?? `all apps of ${token.team}`} />,{" "}
                {token.used ? `last used ${token.used}` : "never used"},{" "}
                {token.expires ? `until ${minute(token.expires, zone)}` : "without an end"}
              </p>
            </div>
            <Revoke name={token.name} onRevoke={() => revoking.mutate(token)} />
          </li>
        ))}
      </ul>
      <p className="account-acts">
        {own.length === 0 && <span>You have none.</span>}
        {teams.length > 0 && <Link href="/settings/tokens">Make a token</Link>}
      </p>
    </>
  );
}

function Revoke({ name, onRevoke }: { name: string; onRevoke: () => void }) {
  const [sure, setSure] = useState(false);
  return (
    <button
      type="button"
      className="small"
      aria-label={sure ? `Revoke ${name} for good` : `Revoke ${name}`}
      onClick={() => (sure ? onRevoke() : setSure(true))}
    >
      {sure ? "for good?" : "Revoke"}
    </button>
  );
}
