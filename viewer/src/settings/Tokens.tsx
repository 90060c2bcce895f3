import { useState } from "react";
import { send } from "../api/client";
import { usePreferences } from "../app/preferences";
import { Name } from "../text/Shown";
import { minute } from "../time/format";
import { CopyButton } from "../ui/copy";
import { Empty, Failure } from "../ui/Notice";
import { Skeleton } from "../ui/Skeleton";
import { useChange, useRead } from "./change";
import { Confirm, Secret, Table, useOpen } from "./parts";
import { nameOf } from "./roles";
import type { SectionProps } from "./SettingsPage";
import { may } from "./sections";
import { NewTokenForm } from "./TokenForm";
import type { Member, NewToken, Token } from "./types";

export const TOKENS = "/api/v1/tokens";

/** Tokens with which programs read: one's own, for admins all of the team. */
export function Tokens({ me, name: team }: SectionProps) {
  const [made, setMade] = useState<NewToken | null>(null);
  const { data, error, refetch } = useRead<{ tokens: Token[] }>(TOKENS, { team });
  const isAdmin = may(me, "team", team, "admin");
  const members = useRead<{ members: Member[] }>("/api/v1/members", { team }, isAdmin);
  if (error && !data) return <Failure error={error} onRetry={refetch} />;
  if (!data) return <Skeleton lines={8} />;
  const whose = (person: string) => (person === me.id ? "you" : nameOf(person, members.data?.members));
  return (
    <>
      {made && <MadeToken made={made} onDone={() => setMade(null)} />}
      {data.tokens.length === 0 ? (
        <Empty title="No token yet">
          <p>With a token a program can read what you may read, and no more.</p>
        </Empty>
      ) : (
        <TokenTable tokens={data.tokens} team={team} whose={whose} />
      )}
      <NewTokenForm me={me} team={team} isAdmin={isAdmin} onMade={setMade} />
    </>
  );
}

function MadeToken({ made, onDone }: { made: NewToken; onDone: () => void }) {
  const command = `curl -sS -H 'Authorization: Bearer ${made.secret}' \\
  '${location.origin}/api/v1/search?limit=1${made.app ? `&app=${made.app}` : ""}'`;
  return (
    <section className="card made" aria-label="The new token">
      <Secret label={`The token “${made.name}”`} secret={made.secret} />
      {(made.scopes.includes("read") || made.scopes.includes("admin")) && (
        <div className="snippet">
          <pre>{command}</pre>
          <CopyButton text={() => command}>copy</CopyButton>
        </div>
      )}
      <p className="form-end">
        <button type="button" onClick={onDone}>
          I have kept the token
        </button>
      </p>
    </section>
  );
}

interface TableProps {
  tokens: Token[];
  team: string;
  whose: (person: string) => string;
}

function TokenTable({ tokens, team, whose }: TableProps) {
  const { zone } = usePreferences();
  const revoking = useOpen<Token>();
  const now = Date.now();
  return (
    <>
      <Table label="API tokens" head={["name", "begins with", "whose", "may", "app", "made", "ends", "last used", ""]}>
        {tokens.map((token) => (
          <tr key={token.token}>
            <td className="name">
              <Name text={token.name} />
            </td>
            <td>
              <code>{token.prefix}…</code>
            </td>
            <td>{token.person ? <Name text={whose(token.person)} /> : "the team"}</td>
            <td>{token.scopes.join(", ")}</td>
            <td>{token.app ?? "all"}</td>
            <td className="when">{minute(token.made, zone)}</td>
            <td className="when">
              {token.expires ? minute(token.expires, zone) : "never"}
              {token.expires && Date.parse(token.expires) <= now && <div className="problem">has ended</div>}
            </td>
            <td className="when">{token.used ?? "never"}</td>
            <td className="acts">
              <button type="button" className="small" onClick={() => revoking.open(token)}>
                Revoke
              </button>
            </td>
          </tr>
        ))}
      </Table>
      {revoking.thing && <RevokeToken token={revoking.thing} team={team} onClose={revoking.close} />}
    </>
  );
}

function RevokeToken({ token, team, onClose }: { token: Token; team: string; onClose: () => void }) {
  const revoking = useChange(() => send("DELETE", `${TOKENS}/${token.token}`, undefined, { team }));
  return (
    <Confirm
      open
      title={`Revoke the token “${token.name}”?`}
      action="Revoke it"
      onClose={onClose}
      onConfirm={() => revoking.run(undefined, onClose)}
      isRunning={revoking.isRunning}
      error={revoking.error}
    >
      <p>
        Programs that read with <code>{token.prefix}…</code> are refused from now on, and browsers that signed in with
        it are signed out. {token.used ? `It was last used on ${token.used}.` : "It was never used."} This cannot be
        taken back.
      </p>
    </Confirm>
  );
}
