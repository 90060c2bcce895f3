import { QueryClient } from "@tanstack/react-query";
import { afterEach, expect, test, vi } from "vitest";
import { sendAhead } from "../api/ahead";
import { address } from "../api/client";
import type { LogEvent } from "../api/types";
import { eventsKey, joined, merged, newer, takeFirstEvents } from "./useEvents";
import { firstPage, SEARCH_PATH } from "./wanted";

afterEach(() => vi.unstubAllGlobals());

const event = (id: string, time: string, received = time) => ({ id, time, received }) as LogEvent;

test("a page at the front becomes part of the first, and one without events changes nothing", () => {
  const first = { events: [event("3", "t2"), event("2", "t2")] };
  const older = { events: [event("1", "t1")] };
  const before = { pages: [first, older], pageParams: ["first", "next"] };
  const withFront = (...events: LogEvent[]) => ({
    pages: [{ events }, ...before.pages],
    pageParams: ["newer", ...before.pageParams],
  });
  expect(merged(before, withFront())).toBe(before);
  const after = merged(before, withFront(event("5", "t4"), event("4", "t3")));
  expect(joined(after.pages).map(({ id }) => id)).toEqual(["5", "4", "3", "2", "1"]);
  expect(after.pageParams).toEqual(before.pageParams);
  expect(after.pages[1]).toBe(older);
  const late = merged(after, {
    pages: [{ events: [event("6", "t3")] }, ...after.pages],
    pageParams: ["newer", "first"],
  });
  expect(joined(late.pages).map(({ id }) => id)).toEqual(["5", "6", "4", "3", "2", "1"]); // a clock was ahead
  const next = { pages: [...before.pages, { events: [] }], pageParams: ["first", "next", "next"] };
  expect(merged(before, next)).toBe(next);
  expect(merged(undefined, before)).toBe(before);
});

/** Answers a search from `events`, oldest first, a page of two at a time. */
function answering(events: readonly LogEvent[]) {
  const asked: string[] = [];
  const fetched = vi.fn(async (address: string) => {
    const given = new URL(address, "http://localhost").searchParams;
    asked.push(given.get("from") ?? "");
    const found = events.filter(({ time }) => time >= (given.get("from") ?? ""));
    const at = Number(given.get("cursor") ?? 0);
    const next = at + 2 < found.length ? String(at + 2) : null;
    return Response.json({ events: found.slice(at, at + 2), next });
  });
  vi.stubGlobal("fetch", fetched);
  return asked;
}

test("what came since is found behind more events of one moment than a page has", async () => {
  const all = ["1", "2", "3", "4", "5"].map((id) => event(id, "t1", "t1"));
  answering(all);
  const known = [{ events: all.slice(0, 3).toReversed() }];
  const { signal } = new AbortController();
  expect((await newer({ query: "" }, known, signal)).events.map(({ id }) => id)).toEqual(["4"]);
  expect((await newer({ query: "" }, [{ events: all }], signal)).events).toEqual([]);
});

test("what came since is found below an event whose sender's clock is ahead", async () => {
  const ahead = event("ahead", "t9", "t2");
  const asked = answering([event("1", "t1", "t1"), event("2", "t3", "t3"), ahead]);
  const known = [{ events: [ahead, event("1", "t1", "t1")] }];
  const answer = await newer({ query: "" }, known, new AbortController().signal);
  expect([answer.events.map(({ id }) => id), asked]).toEqual([["2"], ["t2"]]);
});

const STATE = { query: "level:error", from: "-1h", to: "", order: "desc" as const };

test("events that were asked for ahead are there before the page is, and asked for once", async () => {
  const fetched = vi.fn(async () => Response.json({ events: [{ id: "1" }], next: null }));
  vi.stubGlobal("fetch", fetched);
  const client = new QueryClient();
  void sendAhead(address(SEARCH_PATH, firstPage(STATE)));
  await takeFirstEvents(client, STATE);
  expect(client.getQueryData(eventsKey({ ...STATE, run: 0 }))).toMatchObject({ pages: [{ events: [{ id: "1" }] }] });
  expect(fetched).toHaveBeenCalledTimes(1);
});

test("a page that asked for nothing ahead does not wait for it", async () => {
  const fetched = vi.fn(() => new Promise<Response>(() => {}));
  vi.stubGlobal("fetch", fetched);
  await takeFirstEvents(new QueryClient(), STATE);
  expect(fetched).not.toHaveBeenCalled();
});
