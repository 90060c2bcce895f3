import { expect, test } from "vitest";
import { knownAs } from "./roles";
import type { Invitation, Member } from "./types";

test("who is in the team or invited already is told so before another invitation", () => {
  const members = [{ email: "anna@example.org", role: "read_only" }] as Member[];
  const waiting = [{ email: "bert@example.org", role: "owner" }] as Invitation[];
  const told = (email: string) => knownAs(email, members, waiting);
  expect(told(" Anna@example.org")).toBe(
    "They are in the team already, as read only: an invitation can only raise that.",
  );
  expect(told("bert@example.org")).toBe(
    "They are invited already, as owner: that link is not good any more after this.",
  );
  expect([told(""), told("carla@example.org")]).toEqual(["", ""]);
});
