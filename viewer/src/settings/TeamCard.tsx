import { type FormEvent, useState } from "react";
import { Link } from "wouter";
import { send } from "../api/client";
import { useChange, useRead } from "./change";
import { fieldOf } from "./faults";
import { Field, Save } from "./parts";
import type { Team } from "./types";

const PATH = "/api/v1/teams";
const FIELDS = ["name", "title"];

/** What a team is called; its name stays for ever. */
export function TeamTitle({ team }: { team: string }) {
  const { data } = useRead<Team>(`${PATH}/${encodeURIComponent(team)}`);
  return data ? <TitleForm key={data.revision} team={data} /> : null;
}

function TitleForm({ team }: { team: Team }) {
  const [title, setTitle] = useState(team.title);
  const renaming = useChange(() => send<Team>("PATCH", `${PATH}/${team.team}`, { title, revision: team.revision }));
  const rename = (event: FormEvent) => {
    event.preventDefault();
    renaming.run(undefined);
  };
  const isOfField = renaming.error?.code === "bad_name";
  return (
    <section className="card">
      <h2>Team</h2>
      <form className="form" onSubmit={rename} onChange={renaming.forget}>
        <Field label="Title" hint="As invitations have it." problem={isOfField ? renaming.error : null}>
          {(tied) => (
            <input
              {...tied}
              required
              maxLength={200}
              value={title}
              onChange={(event) => setTitle(event.target.value)}
            />
          )}
        </Field>
        <Save
          action="Rename"
          isRunning={renaming.isRunning}
          error={isOfField ? null : renaming.error}
          disabled={title === team.title}
          onReload={renaming.reload}
        />
      </form>
    </section>
  );
}

/** Another team, of whoever makes it: for owners of the first one. */
export function NewTeam() {
  const [name, setName] = useState("");
  const [title, setTitle] = useState("");
  const [made, setMade] = useState("");
  const creating = useChange((body: object) => send<Team>("POST", PATH, body));
  const at = creating.error ? fieldOf(creating.error, FIELDS) : "";
  const create = (event: FormEvent) => {
    event.preventDefault();
    creating.run({ team: name, title: title || name }, (team) => {
      setMade(team.team);
      setName("");
      setTitle("");
    });
  };
  return (
    <section className="card">
      <h2>
        New team <span className="note">with apps and members of its own; you own it</span>
      </h2>
      {made && !creating.error && (
        <p role="status">
          <b>{made}</b> is there. It begins with <Link href={`/settings/apps?team=${made}`}>an app</Link>.
        </p>
      )}
      <form className="form" onSubmit={create} onChange={creating.forget}>
        <Field
          label="Name of the team"
          hint="a–z, 0–9, . _ - ; for ever."
          problem={at === "name" ? creating.error : null}
        >
          {(tied) => (
            <input {...tied} required maxLength={63} value={name} onChange={(event) => setName(event.target.value)} />
          )}
        </Field>
        <Field
          label="Title of the team"
          hint="For people; may change."
          problem={at === "title" ? creating.error : null}
        >
          {(tied) => (
            <input {...tied} maxLength={200} value={title} onChange={(event) => setTitle(event.target.value)} />
          )}
        </Field>
        <Save action="Create the team" isRunning={creating.isRunning} error={at ? null : creating.error} />
      </form>
    </section>
  );
}
