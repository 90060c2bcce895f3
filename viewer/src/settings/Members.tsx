import { send } from "../api/client";
import { usePreferences } from "../app/preferences";
import { Name } from "../text/Shown";
import { minute } from "../time/format";
import { Failure } from "../ui/Notice";
import { Skeleton } from "../ui/Skeleton";
import { useChange, useRead } from "./change";
import { Invitations } from "./Invitations";
import { MemberForm } from "./MemberForm";
import { Confirm, Table, useOpen } from "./parts";
import { roleName } from "./roles";
import type { SectionProps } from "./SettingsPage";
import { may } from "./sections";
import { NewTeam, TeamTitle } from "./TeamCard";
import type { App, Member } from "./types";

const FIRST_TEAM = "main"; // whose owners make teams

/** Who is in a team and what they may do; for admins also who is invited. */
export function Members({ me, name: team }: SectionProps) {
  const { data, error, refetch } = useRead<{ members: Member[] }>("/api/v1/members", { team });
  if (error && !data) return <Failure error={error} onRetry={refetch} />;
  if (!data) return <Skeleton lines={8} />;
  const isAdmin = may(me, "team", team, "admin");
  const isOwner = may(me, "team", team, "owner");
  return (
    <>
      <MemberTable members={data.members} team={team} self={me.id} isAdmin={isAdmin} isOwner={isOwner} />
      {isAdmin && <Invitations team={team} members={data.members} isOwner={isOwner} />}
      {isAdmin && <TeamTitle team={team} />}
      {may(me, "team", FIRST_TEAM, "owner") && <NewTeam />}
    </>
  );
}

interface TableProps {
  members: Member[];
  team: string;
  self: string;
  isAdmin: boolean;
  isOwner: boolean;
}

function MemberTable({ members, team, self, isAdmin, isOwner }: TableProps) {
  const { zone } = usePreferences();
  const changing = useOpen<Member>();
  const removing = useOpen<Member>();
  const apps = useRead<{ apps: App[] }>("/api/v1/apps", {}, isAdmin);
  const own = (apps.data?.apps ?? []).filter((app) => app.team === team).map(({ app }) => app);
  return (
    <>
      <Table label="Members" head={["person", "role", "in apps", "second factor", "since", ""]}>
        {members.map((member) => (
          <tr key={member.person}>
            <td className="name">
              <Name text={member.email} /> {member.person === self && <span className="state state-on">you</span>}
              {member.disabled && <span className="state">disabled</span>}
              {member.name && member.name !== member.email && (
                <div className="note">
                  <Name text={member.name} />
                </div>
              )}
            </td>
            <td>{roleName(member.role)}</td>
            <td>
              {Object.entries(member.app_roles).map(([app, role]) => (
                <div key={app}>
                  {app}: {roleName(role)}
                </div>
              ))}
            </td>
            <td>{member.totp ? "yes" : "no"}</td>
            <td className="when">{minute(member.since, zone)}</td>
            <td className="acts">
              {isAdmin && (member.role !== "owner" || isOwner) && (
                <>
                  <button type="button" className="small" onClick={() => changing.open(member)}>
                    Change
                  </button>
                  <button type="button" className="small" onClick={() => removing.open(member)}>
                    Remove
                  </button>
                </>
              )}
            </td>
          </tr>
        ))}
      </Table>
      {changing.thing && (
        <MemberForm
          member={changing.thing}
          team={team}
          apps={own}
          isSelf={changing.thing.person === self}
          isOwner={isOwner}
          onClose={changing.close}
        />
      )}
      {removing.thing && <RemoveMember member={removing.thing} team={team} self={self} onClose={removing.close} />}
    </>
  );
}

interface RemoveProps {
  member: Member;
  team: string;
  self: string;
  onClose: () => void;
}

function RemoveMember({ member, team, self, onClose }: RemoveProps) {
  const removing = useChange(() => send("DELETE", `/api/v1/members/${member.person}`, undefined, { team }));
  const isSelf = member.person === self;
  return (
    <Confirm
      open
      title={isSelf ? `Leave the team ${team}?` : `Remove ${member.email} from ${team}?`}
      action={isSelf ? "Leave" : "Remove"}
      onClose={onClose}
      onConfirm={() => removing.run(undefined, onClose)}
      isRunning={removing.isRunning}
      error={removing.error}
    >
      <p>
        {isSelf ? "You" : "They"} see nothing of the team any more, at once, and{" "}
        {isSelf ? "your tokens" : "their tokens"} in it are revoked: what reads with those stops. Links that{" "}
        {isSelf ? "you" : "they"} have shared end for good. Coming back takes an invitation.
      </p>
      <p className="note">Tokens of the team itself, write keys and saved searches stay.</p>
    </Confirm>
  );
}
