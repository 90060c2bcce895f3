import { type FormEvent, useState } from "react";
import { send } from "../api/client";
import { Dialog } from "../ui/Dialog";
import { useChange } from "./change";
import { Field, Save } from "./parts";
import { APP_ROLES, rolesFor } from "./roles";
import type { Member, Role } from "./types";

interface Props {
  member: Member;
  team: string;
  /** Of the team. */
  apps: string[];
  isSelf: boolean;
  isOwner: boolean;
  onClose: () => void;
}

/** The role of a member in the team, and in apps where it is another one. */
export function MemberForm({ member, team, apps, isSelf, isOwner, onClose }: Props) {
  const [role, setRole] = useState<Role>(member.role);
  const [inApps, setInApps] = useState<Record<string, string>>(member.app_roles);
  const changing = useChange((body: object) =>
    send<Member>("PATCH", `/api/v1/members/${member.person}`, body, { team }),
  );
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const changed = Object.fromEntries(
      apps.filter((app) => inApps[app] !== member.app_roles[app]).map((app) => [app, inApps[app] ?? null]),
    );
    changing.run({ role, app_roles: changed, revision: member.revision }, onClose);
  };
  const choose = (app: string, chosen: string) => {
    const { [app]: _, ...others } = inApps;
    setInApps(chosen ? { ...others, [app]: chosen } : others);
  };
  return (
    <Dialog open onClose={onClose} title={`What ${member.email} may do`}>
      <form className="form" onSubmit={submit} onChange={changing.forget}>
        <Field label={`Role in the team ${team}`} hint="It counts at once, for what is being read too.">
          {(tied) => (
            <select {...tied} value={role} onChange={(event) => setRole(event.target.value as Role)}>
              {rolesFor(isOwner).map(([each, name]) => (
                <option key={each} value={each}>
                  {name}
                </option>
              ))}
            </select>
          )}
        </Field>
        {apps.map((app) => (
          <Field key={app} label={`In the app ${app}`}>
            {(tied) => (
              <select {...tied} value={inApps[app] ?? ""} onChange={(event) => choose(app, event.target.value)}>
                <option value="">as in the team</option>
                {APP_ROLES.map(([each, name]) => (
                  <option key={each} value={each}>
                    {name}
                  </option>
                ))}
              </select>
            )}
          </Field>
        ))}
        {isSelf && role !== member.role && (
          <p className="problem">This is you: what the new role has not, you cannot give back to yourself.</p>
        )}
        <Save
          action="Save"
          isRunning={changing.isRunning}
          error={changing.error}
          onReload={() => {
            changing.reload();
            onClose();
          }}
        />
      </form>
    </Dialog>
  );
}
