import { type FormEvent, useState } from "react";
import { send } from "../api/client";
import { Dialog } from "../ui/Dialog";
import { useChange } from "./change";
import { fieldOf } from "./faults";
import { Field, Save } from "./parts";
import type { Key, NewKey } from "./types";

const FIELDS = ["name", "origins"];
const KEEP: readonly [seconds: number, name: string][] = [
  [86_400, "for a day"],
  [0, "not at all: it ends now"],
  [3600, "for an hour"],
  [7 * 86_400, "for a week"],
  [30 * 86_400, "for 30 days"],
];

function originsOf(text: string): string[] {
  return text.split(/[\s,]+/).filter(Boolean);
}

interface AboutProps {
  name: string;
  origins: string;
  onName: (name: string) => void;
  onOrigins: (origins: string) => void;
  error: ReturnType<typeof useChange>["error"];
}

function About({ name, origins, onName, onOrigins, error }: AboutProps) {
  const at = error ? fieldOf(error, FIELDS) : "";
  return (
    <>
      <Field label="Name" hint="What sends with it, such as web shop." problem={at === "name" ? error : null}>
        {(tied) => (
          <input {...tied} required value={name} maxLength={200} onChange={(event) => onName(event.target.value)} />
        )}
      </Field>
      <Field
        label="Allowed origins"
        hint="For keys that stand in web pages: one a line, https://shop.example or https://*.shop.example. Empty: whoever has the key."
        problem={at === "origins" ? error : null}
      >
        {(tied) => <textarea {...tied} rows={2} value={origins} onChange={(event) => onOrigins(event.target.value)} />}
      </Field>
    </>
  );
}

export function NewKeyForm({ path, onMade }: { path: string; onMade: (key: NewKey) => void }) {
  const [name, setName] = useState("");
  const [origins, setOrigins] = useState("");
  const creating = useChange((body: object) => send<NewKey>("POST", path, body));
  const create = (event: FormEvent) => {
    event.preventDefault();
    creating.run({ name, origins: originsOf(origins) }, (made) => {
      setName("");
      setOrigins("");
      onMade(made);
    });
  };
  return (
    <section className="card">
      <h2>New key</h2>
      <form className="form" onSubmit={create} onChange={creating.forget}>
        <About name={name} origins={origins} onName={setName} onOrigins={setOrigins} error={creating.error} />
        <Save
          action="Create the key"
          isRunning={creating.isRunning}
          error={creating.error && !fieldOf(creating.error, FIELDS) ? creating.error : null}
        />
      </form>
    </section>
  );
}

export function EditKey({ path, shown, onClose }: { path: string; shown: Key; onClose: () => void }) {
  const [name, setName] = useState(shown.name);
  const [origins, setOrigins] = useState(shown.origins.join("\n"));
  const changing = useChange((body: object) => send<Key>("PATCH", `${path}/${shown.key}`, body));
  const change = (event: FormEvent) => {
    event.preventDefault();
    changing.run({ name, origins: originsOf(origins), revision: shown.revision }, onClose);
  };
  return (
    <Dialog open onClose={onClose} title={`Key “${shown.name}”`}>
      <form className="form" onSubmit={change} onChange={changing.forget}>
        <About name={name} origins={origins} onName={setName} onOrigins={setOrigins} error={changing.error} />
        <Save
          action="Save"
          isRunning={changing.isRunning}
          error={changing.error && !fieldOf(changing.error, FIELDS) ? changing.error : null}
          onReload={() => {
            changing.reload();
            onClose();
          }}
        />
      </form>
    </Dialog>
  );
}

interface RotateProps {
  path: string;
  shown: Key;
  onClose: () => void;
  onMade: (key: NewKey) => void;
}

export function RotateKey({ path, shown, onClose, onMade }: RotateProps) {
  const [keep, setKeep] = useState(86_400);
  const rotating = useChange(() => send<NewKey>("POST", `${path}/${shown.key}/rotate`, { keep_s: keep }));
  const rotate = (event: FormEvent) => {
    event.preventDefault();
    rotating.run(undefined, (made) => {
      onClose();
      onMade(made);
    });
  };
  return (
    <Dialog open onClose={onClose} title={`Rotate “${shown.name}”`}>
      <form className="form" onSubmit={rotate} onChange={rotating.forget}>
        <p>A new key like it is made and shown once. Put it where the old one is before the old one ends.</p>
        <Field label={`The old key (${shown.prefix}…) goes on`}>
          {(tied) => (
            <select {...tied} value={keep} onChange={(event) => setKeep(Number(event.target.value))}>
              {KEEP.map(([seconds, name]) => (
                <option key={seconds} value={seconds}>
                  {name}
                </option>
              ))}
            </select>
          )}
        </Field>
        {keep === 0 && <p className="problem">What senders send with the old key from now on is refused and lost.</p>}
        <Save action="Rotate" isRunning={rotating.isRunning} error={rotating.error} />
      </form>
    </Dialog>
  );
}
