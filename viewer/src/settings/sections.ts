/** The parts of the settings: what each is about, and the scope without which it is not shown. */
import type { Me } from "../api/me";

export type Of = "app" | "team";

export interface Section {
  path: string;
  name: string;
  of: Of;
  /** To see it. */
  scope: string;
}

export const SECTIONS = [
  { path: "apps", name: "Apps", of: "team", scope: "read" },
  { path: "keys", name: "Write keys", of: "app", scope: "keys" },
  { path: "limits", name: "Limits and use", of: "app", scope: "read" },
  { path: "masking", name: "Masking", of: "app", scope: "read" },
  { path: "blocked", name: "Blocked sources", of: "app", scope: "read" },
  { path: "shares", name: "Shared links", of: "app", scope: "edit" },
  { path: "members", name: "Members", of: "team", scope: "edit" },
  { path: "tokens", name: "API tokens", of: "team", scope: "read" },
  { path: "audit", name: "Audit log", of: "team", scope: "audit" },
] as const satisfies readonly Section[];

export type SectionPath = (typeof SECTIONS)[number]["path"];

/** The apps or teams in which `me` has the scope, as the API orders them. */
export function placesWith(me: Me, of: Of, scope: string): string[] {
  const all = of === "app" ? me.apps.map(({ app, scopes }) => ({ name: app, scopes })) : teamsOf(me);
  return all.filter(({ scopes }) => scopes.includes(scope)).map(({ name }) => name);
}

/** A role in one app alone makes no member of its team in these lists. */
function teamsOf(me: Me) {
  return me.teams.map(({ team, scopes }) => ({ name: team, scopes }));
}

export function sectionsOf(me: Me): Section[] {
  return SECTIONS.filter((section) => {
    if (section.path === "tokens" && me.kind === "token") return placesWith(me, "team", "admin").length > 0;
    if (section.path === "apps") return me.apps.length > 0 || placesWith(me, "team", "keys").length > 0;
    return placesWith(me, section.of, section.scope).length > 0;
  });
}

export function may(me: Me, of: Of, name: string, scope: string): boolean {
  return placesWith(me, of, scope).includes(name);
}
