import { expect, test } from "vitest";
import { titleOf } from "./title";

const PLACES = [
  { path: "/", name: "Search" },
  { path: "/tail", name: "Live tail" },
  { path: "/session", name: "" },
];

test.each([
  ["/", "", "Search – Logkeep"],
  ["/", "q=level%3A%3Dwarn&from=-1h", "level:=warn – Search – Logkeep"],
  ["/tail", "", "Live tail – Logkeep"],
  ["/session", "session=order%2F7", "order/7 – Session – Logkeep"],
  ["/signed-in", "", "Signed in – Logkeep"],
  ["/settings/keys", "", "keys – Settings – Logkeep"],
])("%s?%s is called %s", (path, search, title) => {
  expect(titleOf(path, search, PLACES)).toBe(title);
});

test("a title has no character that cannot be seen, and an end", () => {
  const search = new URLSearchParams({ q: `\u202eabc\u0000${"x".repeat(500)}` }).toString();
  const title = titleOf("/", search, PLACES);
  expect(title).not.toMatch(/[\u0000-\u001f\u202e]/);
  expect(title.length).toBeLessThan(100);
});
