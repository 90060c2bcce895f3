import { expect, test } from "vitest";
import { ending, isNothing, NOTHING, PRESETS, same, whom, words } from "./remote";

test("a rule is said in words", () => {
  expect(PRESETS.map(([, wanted]) => words(wanted))).toEqual([
    "send trace and up, all sessions, all it has, once",
    "send debug and up, all sessions",
    "all it has, once",
    "error and up",
    "send nothing, go on buffering",
  ]);
  expect(words({ ...NOTHING, sample_rate: 0.001 })).toBe("0.1 % of all sessions");
  expect([words(NOTHING), isNothing(NOTHING), isNothing({ ...NOTHING, enabled: false })]).toEqual(["", true, false]);
  expect([same(NOTHING, { ...NOTHING }), same(NOTHING, { ...NOTHING, enabled: true })]).toEqual([true, false]);
});

test("whom it is for, and for how long", () => {
  const nobody = { device: null, user: null, query: null };
  expect(whom({ ...nobody, device: "d" })).toEqual({ of: "device", name: "d" });
  expect(whom({ ...nobody, query: "os:ios" })).toEqual({ of: "devices", name: "os:ios" });
  expect(whom({ ...nobody, query: "" })).toEqual({ of: "all devices", name: "" });
  const now = Date.parse("2026-08-01T10:00:00Z");
  const said = ["10:00:59Z", "10:59:59Z", "15:30:00Z", "09:59:00Z"].map((at) => ending(`2026-08-01T${at}`, now));
  expect(said).toEqual(["in 59 s", "in 59 m", "in 5 h", "1 m ago"]);
  expect(ending("2026-08-08T09:00:00Z", now)).toBe("in 6 d");
});
