import { expect, test } from "vitest";
import { isSameSearch, startOf } from "./start";

test("what the account keeps comes before what this browser has", () => {
  expect(startOf("q=account", "q=browser")).toBe("q=account");
  expect(startOf("", "q=browser")).toBe("q=browser"); // chosen before accounts kept it
  expect(startOf(null, "q=browser")).toBe("q=browser"); // signed in with a token
  expect([startOf("", ""), startOf(null, "")]).toEqual(["", ""]);
});

test("a search is the same however its address is written", () => {
  expect(isSameSearch("q=a%20b&from=-1h", "from=-1h&q=a+b")).toBe(true);
  expect(isSameSearch("", "from=-24h")).toBe(true);
  expect(isSameSearch("q=a", "q=b")).toBe(false);
});
