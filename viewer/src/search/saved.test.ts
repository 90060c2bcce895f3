import { expect, test } from "vitest";
import type { SavedSearch } from "../api/types";
import { joinedQuery, kept, opened } from "./saved";
import { readState } from "./state";

test("what is kept of a page opens the same page", () => {
  const state = readState("?q=timed&from=all&order=asc&cols=*session,attributes.%22a,b%22&wrap=1&context=x");
  const page = { ...state, ...opened({ search: kept(state) } as SavedSearch) };
  expect(page).toEqual({ ...state, context: "" });
});

test("a saved search is joined to the query at hand", () => {
  expect(joinedQuery("", "a or b")).toBe("a or b");
  expect(joinedQuery("level>=warn", "a or b")).toBe("(level>=warn) (a or b)");
});
