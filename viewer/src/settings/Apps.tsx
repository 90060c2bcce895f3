import { type FormEvent, useState } from "react";
import { Link } from "wouter";
import { send } from "../api/client";
import { told } from "../api/told";
import { usePreferences } from "../app/preferences";
import { Name } from "../text/Shown";
import { minute } from "../time/format";
import { Dialog } from "../ui/Dialog";
import { Empty, Failure } from "../ui/Notice";
import { Skeleton } from "../ui/Skeleton";
import { useChange, useRead } from "./change";
import { fieldOf } from "./faults";
import { Confirm, Field, Save, Table, useOpen } from "./parts";
import type { SectionProps } from "./SettingsPage";
import { may, placesWith } from "./sections";
import type { App } from "./types";

const PATH = "/api/v1/apps";

/** The apps of a team that one may read, and new ones. */
export function Apps({ me, name: team }: SectionProps) {
  const { zone } = usePreferences();
  const { data, error, refetch } = useRead<{ apps: App[] }>(PATH);
  const renaming = useOpen<App>();
  const archiving = useOpen<App>();
  if (error && !data) return <Failure error={error} onRetry={refetch} />;
  if (!data) return <Skeleton lines={8} />;
  const apps = data.apps.filter(
    (app) => !team || app.team === team || !placesWith(me, "team", "read").includes(app.team),
  );
  return (
    <>
      {apps.length === 0 && <Empty title="No app yet">Rows, keys and limits belong to an app.</Empty>}
      {apps.length > 0 && (
        <Table label="Apps" head={["app", "title", "made", "", ""]}>
          {apps.map((app) => (
            <tr key={app.app}>
              <td className="name">
                <b>{app.app}</b> {app.archived && <span className="state">archived</span>}
                {app.app === told.app && <span className="state state-on">shown now</span>}
              </td>
              <td>
                <Name text={app.title} />
              </td>
              <td className="when">{minute(app.made, zone)}</td>
              <td>
                <span className="choices-left">
                  {may(me, "app", app.app, "keys") && <Link href={`/settings/keys?app=${app.app}`}>keys</Link>}
                  <Link href={`/settings/limits?app=${app.app}`}>limits</Link>
                  {app.app !== told.app && <a href={`/app/?app=${app.app}`}>look into its events</a>}
                </span>
              </td>
              <td className="acts">
                {may(me, "app", app.app, "keys") && (
                  <>
                    <button type="button" className="small" onClick={() => renaming.open(app)}>
                      Rename
                    </button>
                    <button type="button" className="small" onClick={() => archiving.open(app)}>
                      {app.archived ? "Take up again" : "Archive"}
                    </button>
                  </>
                )}
              </td>
            </tr>
          ))}
        </Table>
      )}
      {may(me, "team", team, "keys") && <NewApp team={team} />}
      {renaming.thing && <Rename key={renaming.thing.app} app={renaming.thing} onClose={renaming.close} />}
      {archiving.thing && <Archive app={archiving.thing} onClose={archiving.close} />}
    </>
  );
}

const FIELDS = ["name", "title"];

function NewApp({ team }: { team: string }) {
  const [name, setName] = useState("");
  const [title, setTitle] = useState("");
  const [made, setMade] = useState("");
  const creating = useChange((body: object) => send<App>("POST", PATH, body, { team }));
  const at = creating.error ? fieldOf(creating.error, FIELDS) : "";
  const create = (event: FormEvent) => {
    event.preventDefault();
    creating.run({ app: name, title: title || name }, (app) => {
      setMade(app.app);
      setName("");
      setTitle("");
    });
  };
  return (
    <section className="card">
      <h2>New app</h2>
      {made && !creating.error && (
        <p role="status">
          <b>{made}</b> is there. It takes events once it has a{" "}
          <Link href={`/settings/keys?app=${made}`}>write key</Link>.
        </p>
      )}
      <form className="form" onSubmit={create} onChange={creating.forget}>
        <Field
          label="Name"
          hint="a–z, 0–9, . _ - ; in addresses and queries, for ever."
          problem={at === "name" ? creating.error : null}
        >
          {(tied) => <input {...tied} required value={name} maxLength={63} onChange={(e) => setName(e.target.value)} />}
        </Field>
        <Field label="Title" hint="For people; may change." problem={at === "title" ? creating.error : null}>
          {(tied) => <input {...tied} value={title} maxLength={200} onChange={(e) => setTitle(e.target.value)} />}
        </Field>
        <Save action="Create the app" isRunning={creating.isRunning} error={at ? null : creating.error} />
      </form>
    </section>
  );
}

interface OneApp {
  app: App;
  onClose: () => void;
}

function Rename({ app, onClose }: OneApp) {
  const [title, setTitle] = useState(app.title);
  const renaming = useChange(() => send<App>("PATCH", `${PATH}/${app.app}`, { title, revision: app.revision }));
  const submit = (event: FormEvent) => {
    event.preventDefault();
    renaming.run(undefined, onClose);
  };
  return (
    <Dialog open onClose={onClose} title={`Title of ${app.app}`}>
      <form className="form" onSubmit={submit} onChange={renaming.forget}>
        <Field label="Title" problem={renaming.error?.code === "bad_name" ? renaming.error : null}>
          {(tied) => (
            <input {...tied} required value={title} maxLength={200} onChange={(e) => setTitle(e.target.value)} />
          )}
        </Field>
        <Save
          action="Save"
          isRunning={renaming.isRunning}
          error={renaming.error?.code === "bad_name" ? null : renaming.error}
          onReload={() => {
            renaming.reload();
            onClose();
          }}
        />
      </form>
    </Dialog>
  );
}

function Archive({ app, onClose }: OneApp) {
  const isIn = !app.archived;
  const changing = useChange(() => send("PATCH", `${PATH}/${app.app}`, { archived: isIn, revision: app.revision }));
  return (
    <Confirm
      open
      title={isIn ? `Archive ${app.app}?` : `Take ${app.app} up again?`}
      action={isIn ? "Archive it" : "Take it up"}
      onClose={onClose}
      onConfirm={() => changing.run(undefined, onClose)}
      isRunning={changing.isRunning}
      error={changing.error}
    >
      {isIn ? (
        <p>
          All its write keys are refused from then on: what senders send is lost, unless they keep it. Its events can
          still be read, until their days are over. It can be taken up again.
        </p>
      ) : (
        <p>Its write keys are good again, and it takes events.</p>
      )}
    </Confirm>
  );
}
