/** Roles as people read them: src/logkeep/metastore/roles.py. */
import type { AppRole, Invitation, Member, Role } from "./types";

export const ROLES: readonly [role: Role, name: string][] = [
  ["owner", "owner: everything, and who else is one"],
  ["admin", "admin: members, apps, keys, limits, erasing"],
  ["member", "member: read, and work with issues and devices"],
  ["read_only", "read only"],
];

export const APP_ROLES: readonly [role: AppRole, name: string][] = [
  ["admin", "admin"],
  ["member", "member"],
  ["read_only", "read only"],
  ["none", "none: it is hidden"],
];

export const roleName = (role: string) => role.replace("_", " ");

/** Who a person or token is, by its id, for people. */
export function nameOf(id: string, members: readonly Member[] | undefined): string {
  const member = members?.find(({ person }) => person === id);
  return member?.email ?? (id.startsWith("tok_") ? "a token" : id);
}

/** Only owners make or change owners. */
export function rolesFor(isOwner: boolean): readonly [Role, string][] {
  return isOwner ? ROLES : ROLES.filter(([role]) => role !== "owner");
}

/** What an invitation to this address would change of what is there already, "" where nothing is. */
export function knownAs(email: string, members: readonly Member[], waiting: readonly Invitation[]): string {
  const same = (other: { email: string }) => other.email.toLowerCase() === email.trim().toLowerCase();
  const member = members.find(same);
  const invited = waiting.find(same);
  return [
    member && `They are in the team already, as ${roleName(member.role)}: an invitation can only raise that.`,
    invited && `They are invited already, as ${roleName(invited.role)}: that link is not good any more after this.`,
  ]
    .filter(Boolean)
    .join(" ");
}
