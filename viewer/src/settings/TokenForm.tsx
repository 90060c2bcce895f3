import { type FormEvent, useState } from "react";
import { send } from "../api/client";
import type { Me } from "../api/me";
import { useChange } from "./change";
import { fieldOf } from "./faults";
import { Field, Problem, Save } from "./parts";
import type { NewToken } from "./types";

const SCOPES: readonly [scope: string, lets: string][] = [
  ["read", "read events"],
  ["edit", "change issues, devices, saved searches"],
  ["erase", "erase events"],
  ["keys", "make apps and write keys"],
  ["audit", "read the audit log"],
  ["admin", "all of these, members and limits"],
];
const DAY_S = 86_400;
const ENDS: readonly [seconds: number, name: string][] = [
  [30 * DAY_S, "in 30 days"],
  [90 * DAY_S, "in 90 days"],
  [365 * DAY_S, "in a year"],
  [0, "never"],
];
const FIELDS = ["name", "scopes", "app", "expires_s"];

interface Props {
  me: Me;
  team: string;
  isAdmin: boolean;
  onMade: (token: NewToken) => void;
}

export function NewTokenForm({ me, team, isAdmin, onMade }: Props) {
  const [name, setName] = useState("");
  const [scopes, setScopes] = useState<string[]>(["read"]);
  const [app, setApp] = useState("");
  const [ends, setEnds] = useState(90 * DAY_S);
  const [ofTeam, setOfTeam] = useState(me.kind === "token");
  const creating = useChange((body: object) => send<NewToken>("POST", "/api/v1/tokens", body, { team }));
  const at = creating.error ? fieldOf(creating.error, FIELDS) : "";
  const problem = (field: string) => (at === field ? creating.error : null);
  const apps = me.apps.filter((each) => each.team === team);
  const own =
    apps.find((each) => each.app === app)?.scopes ?? me.teams.find((each) => each.team === team)?.scopes ?? [];
  const offered = SCOPES.filter(([scope]) => own.includes(scope));
  const wanted = scopes.filter((scope) => own.includes(scope));
  const create = (event: FormEvent) => {
    event.preventDefault();
    const body = { name, scopes: wanted, app: app || null, expires_s: ends || null, of_team: ofTeam };
    creating.run(body, (made) => {
      setName("");
      onMade(made);
    });
  };
  return (
    <section className="card">
      <h2>New token</h2>
      <form className="form" onSubmit={create} onChange={creating.forget}>
        <Field label="Name" hint="What reads with it, such as dashboard." problem={problem("name")}>
          {(tied) => (
            <input {...tied} required maxLength={200} value={name} onChange={(event) => setName(event.target.value)} />
          )}
        </Field>
        <fieldset className="field">
          <legend>It may</legend>
          {offered.map(([scope, lets]) => (
            <label key={scope} className="check">
              <input
                type="checkbox"
                checked={wanted.includes(scope)}
                onChange={(event) =>
                  setScopes(event.target.checked ? [...scopes, scope] : scopes.filter((each) => each !== scope))
                }
              />
              <b>{scope}</b> <span className="note">{lets}</span>
            </label>
          ))}
          <Problem error={problem("scopes")} />
        </fieldset>
        <Field label="Good for" problem={problem("app")}>
          {(tied) => (
            <select {...tied} value={app} onChange={(event) => setApp(event.target.value)}>
              <option value="">all apps of the team</option>
              {apps.map((each) => (
                <option key={each.app}>{each.app}</option>
              ))}
            </select>
          )}
        </Field>
        <Field label="Ends" problem={problem("expires_s")}>
          {(tied) => (
            <select {...tied} value={ends} onChange={(event) => setEnds(Number(event.target.value))}>
              {ENDS.map(([seconds, text]) => (
                <option key={seconds} value={seconds}>
                  {text}
                </option>
              ))}
            </select>
          )}
        </Field>
        {isAdmin && me.kind === "person" && (
          <label className="check">
            <input type="checkbox" checked={ofTeam} onChange={(event) => setOfTeam(event.target.checked)} />
            of the team <span className="note">it stays when you leave, and does not lose what you lose</span>
          </label>
        )}
        <Save
          action="Create the token"
          isRunning={creating.isRunning}
          error={at ? null : creating.error}
          disabled={wanted.length === 0}
        />
      </form>
    </section>
  );
}
