import { expect, test } from "vitest";
import { readState, type SearchState, writeState } from "./state";

test("what is written is read back", () => {
  const state: SearchState = {
    query: 'level>=warn "a b" | limit 5',
    from: "",
    to: "2026-08-01T10:00:00Z",
    order: "asc",
    columns: [
      { field: "session", pinned: true },
      { field: 'attributes."a,b"', pinned: false },
    ],
    widths: { session: 30, 'attributes."a,b:1"': 12 },
    wrap: true,
    context: "id 1",
  };
  expect(readState(writeState(state))).toEqual(state);
});

test("a page without parameters is of the last day", () => {
  const state = readState("");
  expect([state.from, state.to, writeState(state)]).toEqual(["-24h", "", ""]);
  expect(readState(writeState({ ...state, from: "" })).from).toBe("");
});

test("an address from anywhere is read without a fault", () => {
  expect(readState("?cols=&wrap=2&order=x&from=&q=%00").columns).toEqual([]);
  expect(readState("?widths=,a:,:3,b:9999,c:-1,%22d:4,e:7").widths).toEqual({ e: 7 });
});
