import { expect, test } from "vitest";
import type { LogEvent } from "../api/types";
import { briefHead, briefLine } from "./brief";
import { placed } from "./columns";

const EVENT = {
  id: "1",
  time: "2026-08-01T10:00:00.123456789Z",
  received: "2026-08-01T10:00:07.000000000Z",
  level: "warn",
  component: "checkout",
  key: "a-key-that-is-longer-than-its-column",
  value: "first line\nsecond",
} as unknown as LogEvent;
const COLUMNS = placed(
  ["component", "key"].map((field) => ({ field, pinned: false })),
  {},
);
const LOOK = { columns: COLUMNS, zone: "utc", clock: "sender" } as const;

test("columns stand where their cells would, a character between them", () => {
  expect(briefLine(EVENT, LOOK)).toBe("08-01 10:00:00.123  warn   checkout       a-key-that-is-lon… first line ↵");
  expect(briefHead(COLUMNS)).toBe("time                level  component      key                value");
  expect(briefLine(EVENT, { ...LOOK, clock: "server" })).toMatch(/^08-01 10:00:07\.000 /);
});

test("what is hostile in a field stays in it", () => {
  const line = briefLine({ ...EVENT, component: "\u202eevil\u001b[31m", key: "\u05d0\u05d1", value: "<b>" }, LOOK);
  expect(line).toContain("U+202Eevil ");
  expect(line).toContain("\u2068\u05d0\u05d1\u2069 ");
  expect(line.endsWith(" <b>")).toBe(true);
});
