import { expect, test } from "vitest";
import { merged } from "./keys";

test("parts of a page that name their keys alike stand in one list, each key once", () => {
  const run = () => {};
  const key = (keys: string, does: string) => ({ keys, does, run });
  const rows = { name: "Rows", shortcuts: [key("j", "of the table before"), key("k", "row before")] };
  const wrap = { name: "Rows", shortcuts: [key("w", "wrap lines"), key("j", "next row")] };
  const groups = merged([rows, { name: "Time", shortcuts: [key("[", "the time before")] }, wrap]);
  expect(groups.map(({ name, shortcuts }) => [name, ...shortcuts.map(({ keys, does }) => `${keys} ${does}`)])).toEqual([
    ["Rows", "j next row", "k row before", "w wrap lines"],
    ["Time", "[ the time before"],
  ]);
});
