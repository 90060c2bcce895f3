import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, type RefObject, useEffect, useRef, useState } from "react";
import { send } from "../api/client";
import type { Me } from "../api/me";
import type { components } from "../api/schema";
import { CopyButton } from "../ui/copy";
import { Failure } from "../ui/Notice";
import { Done, Field, PasswordField, Whose } from "./parts";

type Enrolment = components["schemas"]["TotpAnswer"];
type Recovery = components["schemas"]["RecoveryAnswer"];

type State =
  | { at: "rest"; done?: string }
  | { at: "proving"; what: "begin" | "remove" }
  | { at: "enrolling"; enrolment: Enrolment }
  | { at: "codes"; codes: string[] };

/** A code from a device, asked for at each sign-in: begun with the password, counted once a code was typed. */
export function SecondFactor({ me }: { me: Me }) {
  const [state, setState] = useState<State>({ at: "rest" });
  const button = useRef<HTMLButtonElement>(null);
  const before = useRef(state.at);
  useEffect(() => {
    // What had the focus is gone: to what takes its place.
    if (before.current !== state.at) button.current?.focus();
    before.current = state.at;
  }, [state.at]);
  const client = useQueryClient();
  const changed = () => client.invalidateQueries({ queryKey: ["me"] });
  if (state.at === "proving")
    return (
      <Prove
        me={me}
        what={state.what}
        onCancel={() => setState({ at: "rest" })}
        onBegun={(enrolment) => setState({ at: "enrolling", enrolment })}
        onRemoved={() => {
          setState({ at: "rest", done: "No code is asked for any more." });
          return changed();
        }}
      />
    );
  if (state.at === "enrolling")
    return (
      <Enrol
        enrolment={state.enrolment}
        onCancel={() => setState({ at: "rest" })}
        onConfirmed={(codes) => {
          setState({ at: "codes", codes });
          return changed();
        }}
      />
    );
  if (state.at === "codes")
    return (
      <Codes
        codes={state.codes}
        button={button}
        onKept={() => setState({ at: "rest", done: "A code is asked for when you sign in from now on." })}
      />
    );
  return (
    <>
      <p className="note">
        {me.totp
          ? "A code from your device is asked for when you sign in. Setting it up again is for a new device, and gives new recovery codes."
          : "A code from an app on your phone, asked for when you sign in: a stolen password is worth nothing without it."}
      </p>
      <p className="account-acts">
        <button ref={button} type="button" onClick={() => setState({ at: "proving", what: "begin" })}>
          {me.totp ? "Set it up again" : "Set it up"}
        </button>
        {me.totp && (
          <button type="button" onClick={() => setState({ at: "proving", what: "remove" })}>
            Turn it off
          </button>
        )}
        {state.done && <Done>{state.done}</Done>}
      </p>
    </>
  );
}

interface ProveProps {
  me: Me;
  what: "begin" | "remove";
  onCancel: () => void;
  onBegun: (enrolment: Enrolment) => void;
  onRemoved: () => void;
}

/** The password once more, so that nobody does it at a desk that was left. */
function Prove({ me, what, onCancel, onBegun, onRemoved }: ProveProps) {
  const [password, setPassword] = useState("");
  const asking = useMutation({
    mutationFn: () =>
      what === "begin"
        ? send<Enrolment>("POST", "/api/v1/me/totp", { password })
        : send<undefined>("POST", "/api/v1/me/totp/remove", { password }),
    onSuccess: (enrolment) => (enrolment ? onBegun(enrolment) : onRemoved()),
  });
  const ask = (event: FormEvent) => {
    event.preventDefault();
    asking.mutate();
  };
  return (
    <form className="account-form" onSubmit={ask}>
      <Whose email={me.email ?? ""} />
      {me.password && <PasswordField label="Your password" value={password} onValue={setPassword} isNext />}
      {asking.error && <Failure error={asking.error} />}
      <p className="account-acts">
        <button type="submit" className="primary" disabled={asking.isPending}>
          {what === "begin" ? "Go on" : "Turn it off"}
        </button>
        <button type="button" onClick={onCancel}>
          Cancel
        </button>
      </p>
    </form>
  );
}

interface EnrolProps {
  enrolment: Enrolment;
  onCancel: () => void;
  onConfirmed: (codes: string[]) => void;
}

function Enrol({ enrolment, onCancel, onConfirmed }: EnrolProps) {
  const [code, setCode] = useState("");
  const confirming = useMutation({
    mutationFn: () => send<Recovery>("POST", "/api/v1/me/totp/confirm", { code }),
    onSuccess: (answer) => onConfirmed(answer.recovery_codes),
  });
  const confirm = (event: FormEvent) => {
    event.preventDefault();
    confirming.mutate();
  };
  const { size, path } = enrolment.qr;
  return (
    <div className="enrol">
      <svg className="qr" viewBox={`0 0 ${size} ${size}`} role="img" aria-label="QR code for your app">
        <path d={path} />
      </svg>
      <form className="account-form" onSubmit={confirm}>
        <p>
          Scan the picture with an app such as Aegis, 2FAS or your password manager; on this device{" "}
          <a href={enrolment.uri}>open it</a>, or type the secret:
        </p>
        <p className="account-line">
          <code className="secret">{enrolment.secret}</code>
          <CopyButton text={() => enrolment.secret}>copy</CopyButton>
        </p>
        <Field
          label="The six digits it shows now"
          className="code"
          inputMode="numeric"
          autoComplete="one-time-code"
          maxLength={20}
          required
          isNext
          value={code}
          onValue={setCode}
        />
        {confirming.error && <Failure error={confirming.error} />}
        <p className="account-acts">
          <button type="submit" className="primary" disabled={confirming.isPending}>
            Confirm
          </button>
          <button type="button" onClick={onCancel}>
            Cancel
          </button>
        </p>
      </form>
    </div>
  );
}

interface CodesProps {
  codes: string[];
  button: RefObject<HTMLButtonElement | null>;
  onKept: () => void;
}

function Codes({ codes, button, onKept }: CodesProps) {
  return (
    <>
      <Done>
        It is on. These codes are for when the device is lost: each is good once, and they are shown only now. Print
        them, or put them into your password manager.
      </Done>
      <ul className="codes" aria-label="Recovery codes">
        {codes.map((code) => (
          <li key={code}>
            <code>{code}</code>
          </li>
        ))}
      </ul>
      <p className="account-acts">
        <button ref={button} type="button" className="primary" onClick={onKept}>
          I have kept them
        </button>
        <CopyButton text={() => `${codes.join("\n")}\n`}>copy them</CopyButton>
      </p>
    </>
  );
}
