import { expect, test } from "vitest";
import { hasSettings, type Me } from "../api/me";
import { placesWith, sectionsOf } from "./sections";

const ALL = ["admin", "audit", "edit", "erase", "keys", "read"];

function me(kind: Me["kind"], team: string[], apps: Record<string, string[]>): Me {
  return {
    kind,
    id: "x",
    name: "",
    email: null,
    password: null,
    totp: null,
    default_app: null,
    teams: team.length ? [{ team: "main", scopes: team }] : [],
    apps: Object.entries(apps).map(([app, scopes]) => ({ app, title: app, team: "main", scopes, start: "" })),
  };
}

const paths = (whose: Me) => sectionsOf(whose).map((section) => section.path);

test("what one may not see is not there", () => {
  expect(paths(me("person", ALL, { shop: ALL }))).toHaveLength(9);
  expect(paths(me("person", ["read"], { shop: ["read"] }))).toEqual(["apps", "limits", "masking", "blocked", "tokens"]);
  expect(paths(me("person", ["edit", "read"], { shop: ALL }))).toContain("keys");
  expect(paths(me("token", [], { shop: ["read"] }))).toEqual(["apps", "limits", "masking", "blocked"]);
});

test("an app is offered where the scope is had", () => {
  const whose = me("person", ["edit", "read"], { shop: ["read"], phone: ALL });
  expect(placesWith(whose, "app", "admin")).toEqual(["phone"]);
  expect(placesWith(whose, "team", "admin")).toEqual([]);
});

test("a token that only reads has no settings, a person has tokens", () => {
  expect(hasSettings(me("token", ["read"], { shop: ["read"] }))).toBe(false);
  expect(hasSettings(me("token", ["read"], { shop: ["keys", "read"] }))).toBe(true);
  expect(hasSettings(me("person", ["read"], {}))).toBe(true);
});
