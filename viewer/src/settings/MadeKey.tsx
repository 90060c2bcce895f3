import { useEffect, useRef, useState } from "react";
import { told } from "../api/told";
import { CopyButton } from "../ui/copy";
import { FirstEvent } from "./FirstEvent";
import { Secret } from "./parts";
import { intakeOf, snippets } from "./snippets";
import type { NewKey } from "./types";

/** A name that no other session has: how the first event is known among others of the app. */
function newSession(): string {
  return `hello-${crypto.getRandomValues(new Uint32Array(1))[0]!.toString(36)}`;
}

/** A key that was just made: the secret, what to paste, and whether its first event has come. */
export function MadeKey({ made, onDone }: { made: NewKey; onDone: () => void }) {
  const [session] = useState(newSession);
  const intake = intakeOf(told.intake, location);
  const all = snippets({ key: made.secret, session, origins: made.origins, intake });
  const [chosen, setChosen] = useState(all[0]!.name);
  const snippet = all.find(({ name }) => name === chosen) ?? all[0]!;
  const place = useRef<HTMLElement>(null);
  useEffect(() => {
    void place.current?.scrollIntoView({ block: "nearest" });
  }, []);
  return (
    <section className="card made" ref={place} aria-label="The new key">
      <Secret label={`The key “${made.name}” of ${made.app}`} secret={made.secret} />
      <p>Send a first event with it; what you paste has the key in it:</p>
      <div className="switch" role="group" aria-label="Way to send">
        {all.map(({ name }) => (
          <button key={name} type="button" aria-pressed={name === snippet.name} onClick={() => setChosen(name)}>
            {name}
          </button>
        ))}
      </div>
      <div className="snippet">
        <pre>{snippet.text}</pre>
        <CopyButton text={() => snippet.text}>copy</CopyButton>
      </div>
      <p className="note">
        {snippet.note} Senders reach the intake at {intake.url}, as far as this page knows
        {intake.url.startsWith("https:") ? ", through the proxy that this page came by" : ""}.
      </p>
      <FirstEvent app={made.app} session={session} keyId={made.key} />
      <p className="form-end">
        <button type="button" onClick={onDone}>
          I have kept the key
        </button>
      </p>
    </section>
  );
}
