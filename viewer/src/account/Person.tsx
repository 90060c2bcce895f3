import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { send } from "../api/client";
import type { Me } from "../api/me";
import { Failure } from "../ui/Notice";
import { Done, Field, PasswordField, Whose } from "./parts";

/** How others see one: in lists of members, in the audit log, beside saved searches. */
export function NameForm({ me }: { me: Me }) {
  const [name, setName] = useState(me.name);
  const client = useQueryClient();
  const saving = useMutation({
    mutationFn: () => send<Me>("PATCH", "/api/v1/me", { name }),
    onSuccess: (changed) => client.setQueryData(["me"], changed),
  });
  const save = (event: FormEvent) => {
    event.preventDefault();
    saving.mutate();
  };
  return (
    <form className="account-form" onSubmit={save}>
      <Field label="Name" autoComplete="name" maxLength={200} required value={name} onValue={setName} />
      {saving.error && <Failure error={saving.error} />}
      <p className="account-acts">
        <button type="submit" disabled={saving.isPending || name === me.name}>
          Change the name
        </button>
        {saving.isSuccess && name === me.name && <Done>Your name is changed.</Done>}
      </p>
    </form>
  );
}

export function PasswordForm({ me }: { me: Me }) {
  const [current, setCurrent] = useState("");
  const [fresh, setFresh] = useState("");
  const client = useQueryClient();
  const saving = useMutation({
    mutationFn: () => send<Me>("PATCH", "/api/v1/me", { password: { current, new: fresh } }),
    onSuccess: (changed) => {
      setCurrent("");
      setFresh("");
      client.setQueryData(["me"], changed);
      return client.invalidateQueries({ queryKey: ["sign-ins"] });
    },
  });
  const save = (event: FormEvent) => {
    event.preventDefault();
    saving.mutate();
  };
  return (
    <form className="account-form" onSubmit={save}>
      <Whose email={me.email ?? ""} />
      {me.password && <PasswordField label="The one you have" value={current} onValue={setCurrent} />}
      <PasswordField label="The new one" value={fresh} onValue={setFresh} isNew />
      {saving.error && <Failure error={saving.error} />}
      <p className="account-acts">
        <button type="submit" disabled={saving.isPending}>
          {me.password ? "Change the password" : "Set a password"}
        </button>
        {saving.isSuccess ? (
          <Done>Your password is changed; you are signed in here alone.</Done>
        ) : (
          <span className="note">You stay signed in here, and are signed out everywhere else.</span>
        )}
      </p>
    </form>
  );
}
