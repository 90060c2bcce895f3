import { type FormEvent, useState } from "react";
import { send } from "../api/client";
import { usePreferences } from "../app/preferences";
import { Name } from "../text/Shown";
import { minute } from "../time/format";
import { CopyButton } from "../ui/copy";
import { Failure } from "../ui/Notice";
import { useChange, useRead } from "./change";
import { fieldOf } from "./faults";
import { Confirm, Field, Save, Table, useOpen } from "./parts";
import { knownAs, nameOf, roleName, rolesFor } from "./roles";
import type { Invitation, Member, NewInvitation, Role } from "./types";

const PATH = "/api/v1/invitations";
const FIELDS = ["email", "role"];

/** Who is invited into a team and has not come yet; and a way to invite. */
export function Invitations({ team, members, isOwner }: { team: string; members: Member[]; isOwner: boolean }) {
  const { zone } = usePreferences();
  const withdrawing = useOpen<Invitation>();
  const { data, error, refetch } = useRead<{ invitations: Invitation[] }>(PATH, { team });
  return (
    <section className="card">
      <h2>Invitations</h2>
      {error && <Failure error={error} onRetry={refetch} />}
      {data?.invitations.length === 0 && <p className="note">Nobody is invited now.</p>}
      {data && data.invitations.length > 0 && (
        <Table label="Invitations" head={["to", "role", "by", "good until", ""]}>
          {data.invitations.map((invitation) => (
            <tr key={invitation.invitation}>
              <td className="name">
                <Name text={invitation.email} />
              </td>
              <td>{roleName(invitation.role)}</td>
              <td>
                <Name text={nameOf(invitation.made_by, members)} />
              </td>
              <td className="when">{minute(invitation.expires, zone)}</td>
              <td className="acts">
                <button type="button" className="small" onClick={() => withdrawing.open(invitation)}>
                  Withdraw
                </button>
              </td>
            </tr>
          ))}
        </Table>
      )}
      <Invite team={team} isOwner={isOwner} members={members} waiting={data?.invitations ?? []} />
      {withdrawing.thing && <Withdraw team={team} invitation={withdrawing.thing} onClose={withdrawing.close} />}
    </section>
  );
}

interface InviteProps {
  team: string;
  isOwner: boolean;
  members: readonly Member[];
  waiting: readonly Invitation[];
}

const FIRST_ROLE: Role = "member";

function Invite({ team, isOwner, members, waiting }: InviteProps) {
  const [email, setEmail] = useState("");
  const [role, setRole] = useState<Role>(FIRST_ROLE);
  const [made, setMade] = useState<NewInvitation | null>(null);
  const known = knownAs(email, members, waiting);
  const inviting = useChange((body: object) => send<NewInvitation>("POST", PATH, body, { team }));
  const at = inviting.error ? fieldOf(inviting.error, FIELDS) : "";
  const invite = (event: FormEvent) => {
    event.preventDefault();
    inviting.run({ email, role }, (invitation) => {
      setMade(invitation);
      setEmail("");
      setRole(FIRST_ROLE); // nobody becomes an owner because somebody else was to be one
    });
  };
  return (
    <form className="form" onSubmit={invite} onChange={inviting.forget}>
      {made && !inviting.error && <Invited made={made} />}
      <Field
        label="E-mail"
        hint={<span role="status">{known || "They get a link, good once and for a week."}</span>}
        problem={at === "email" ? inviting.error : null}
      >
        {(tied) => (
          <input
            {...tied}
            type="email"
            required
            maxLength={254}
            value={email}
            onChange={(event) => setEmail(event.target.value)}
          />
        )}
      </Field>
      <Field label="Role" problem={at === "role" ? inviting.error : null}>
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
      <Save action="Invite" isRunning={inviting.isRunning} error={at ? null : inviting.error} />
    </form>
  );
}

function Invited({ made }: { made: NewInvitation }) {
  const { link } = made;
  return (
    <div className="secret" role="status">
      <p>
        <b>
          <Name text={made.email} />
        </b>{" "}
        {link ? "is invited. No mail server is set here: pass the link on yourself." : "has a mail on its way."}
      </p>
      {link && (
        <p className="secret-line">
          <code>{link}</code>
          <CopyButton text={() => link}>copy</CopyButton>
        </p>
      )}
    </div>
  );
}

interface WithdrawProps {
  team: string;
  invitation: Invitation;
  onClose: () => void;
}

function Withdraw({ team, invitation, onClose }: WithdrawProps) {
  const withdrawing = useChange(() => send("DELETE", `${PATH}/${invitation.invitation}`, undefined, { team }));
  return (
    <Confirm
      open
      title={`Withdraw the invitation of ${invitation.email}?`}
      action="Withdraw it"
      onClose={onClose}
      onConfirm={() => withdrawing.run(undefined, onClose)}
      isRunning={withdrawing.isRunning}
      error={withdrawing.error}
    >
      <p>The link they have got is not good any more. You can invite them again.</p>
    </Confirm>
  );
}
