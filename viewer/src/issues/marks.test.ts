import { expect, test } from "vitest";
import type { LogEvent } from "../api/types";
import { isNarrowed, issueOf } from "./links";
import { marksOf } from "./useIssueMarks";

test("a session with one issue leads to it, one with several to their list", () => {
  const rows = [
    ["s-1", "crash", "iss_1", 3],
    ["s 2", "crash", "iss_1", 1],
    ["s 2", "feedback", "iss_2", 2],
    ["s 2", "feedback", "iss_3", 1],
    ["", "issue", "iss_4", 1],
  ];
  expect([...marksOf("session", rows)]).toEqual([
    ["s-1", { kinds: { crash: 3 }, href: "/issue?id=iss_1" }],
    ["s 2", { kinds: { crash: 1, feedback: 3 }, href: "/issues?status=all&session=s%202" }],
  ]);
});

test("only what the service has made of an issue stands for one", () => {
  const event = (key: string, issue: unknown) => ({ key, attributes: { issue } }) as unknown as LogEvent;
  expect(issueOf(event("crash", "iss_1"))).toEqual({ issue: "iss_1", kind: "crash" });
  expect(issueOf(event("screen", "iss_1"))?.kind).toBe("issue");
  expect([issueOf(event("crash", "JIRA-1")), issueOf(event("crash", 7))]).toEqual([null, null]);
  expect(issueOf({ key: "crash" } as LogEvent)).toBe(null);
});

test("an address that names app, status or order leaves none out", () => {
  const narrowed = (query: string) => isNarrowed(new URLSearchParams(query));
  expect(["", "app=shop", "status=all&sort=count"].map(narrowed)).toEqual([false, false, false]);
  expect(["text=x", "kind=crash&app=shop", "device=d"].map(narrowed)).toEqual([true, true, true]);
});
