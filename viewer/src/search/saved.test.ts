import { expect, test } from "vitest";
import type { SavedSearch } from "../api/types";
import { joinedQuery, kept, opened } from "./saved";
import { readState } from "./state";

test("what is kept of a page opens the same page", () => {
  const state = readState(
    "?q=timed&from=all&order=asc&cols=*session,attributes.%22a,b%22&widths=session:30,attributes.%22a,b%22:12&wrap=1&context=x",
  );
  const page = { ...state, ...opened({ search: kept(state) } as SavedSearch) };
  expect(page).toEqual({ ...state, context: "" });
});

test("widths are kept of the columns that are shown, the page's before the browser's", () => {
  const state = readState("?cols=session,key&widths=key:9");
  expect(kept(state, { key: 40, session: 31, user: 8, time: 25 }).widths).toEqual({ time: 25, session: 31, key: 9 });
  expect(kept(readState("")).widths).toEqual({});
});

test("a saved search is joined to the query at hand", () => {
  expect(joinedQuery("", "a or b")).toBe("a or b");
  expect(joinedQuery("level>=warn", "a or b")).toBe("(level>=warn) (a or b)");
});
