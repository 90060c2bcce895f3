import { expect, test } from "vitest";
import { readSession, type SessionState, writeSession } from "./state";

test("what is written is read back, and what is not of it stays", () => {
  const state: SessionState = {
    columns: [{ field: "user", pinned: false }],
    widths: {},
    wrap: true,
    only: " card & ",
    hidden: new Set(["bank,proxy", ""]),
  };
  const given = new URLSearchParams("session=a&only=before&hide=before");
  writeSession(given, state);
  expect(readSession(new URLSearchParams(given.toString()))).toEqual(state);
  expect(given.get("session")).toBe("a");
});

test("nothing chosen leaves nothing in the address", () => {
  const given = new URLSearchParams("session=a&only=x&hide=bank");
  writeSession(given, { ...readSession(given), only: "", hidden: new Set() });
  expect(given.toString()).toBe("session=a");
});
