import { QueryClient } from "@tanstack/react-query";
import { afterEach, expect, test, vi } from "vitest";
import { sendAhead } from "../api/ahead";
import { address } from "../api/client";
import type { LogEvent } from "../api/types";
import { bringsNothing, eventsKey, joined, takeFirstEvents } from "./useEvents";
import { firstPage, SEARCH_PATH } from "./wanted";

afterEach(() => vi.unstubAllGlobals());

const event = (id: string, time: string) => ({ id, time }) as LogEvent;

test("an event that two pages have stands there once", () => {
  const newer = [event("4", "t3"), event("3", "t2"), event("2", "t2")];
  const pages = [{ events: newer }, { events: [] }, { events: [event("2", "t2"), event("1", "t2")] }];
  expect(joined(pages).map(({ id }) => id)).toEqual(["4", "3", "2", "1"]);
  expect(joined([...pages, { events: [event("0", "t1")] }])).toHaveLength(5);
  expect(joined([])).toEqual([]);
});

test("a page at the front without a new event leaves the list as it was", () => {
  const known = { events: [event("3", "t2"), event("2", "t2"), event("1", "t1")] };
  const before = { pages: [known, { events: [event("0", "t0")] }] };
  const withFront = (...ids: string[]) => ({ pages: [{ events: ids.map((id) => event(id, "t2")) }, ...before.pages] });
  expect(bringsNothing(before, withFront("3", "2"))).toBe(true);
  expect(bringsNothing(before, withFront())).toBe(true);
  expect(bringsNothing(before, withFront("4", "3", "2"))).toBe(false);
  expect(bringsNothing(before, { pages: [...before.pages, { events: [] }] })).toBe(false);
  expect(bringsNothing(undefined, before)).toBe(false);
  expect(bringsNothing(before, { pages: [{ events: [event("3", "t2")] }, { events: [] }] })).toBe(false); // read anew
});

const STATE = { query: "level:error", from: "-1h", to: "", order: "desc" as const };

test("events that were asked for ahead are there before the page is, and asked for once", async () => {
  const fetched = vi.fn(async () => Response.json({ events: [{ id: "1" }], next: null }));
  vi.stubGlobal("fetch", fetched);
  const client = new QueryClient();
  sendAhead(address(SEARCH_PATH, firstPage(STATE)));
  await takeFirstEvents(client, STATE);
  expect(client.getQueryData(eventsKey({ ...STATE, run: 0 }))).toMatchObject({ pages: [{ events: [{ id: "1" }] }] });
  expect(fetched).toHaveBeenCalledTimes(1);
});

test("a page that asked for nothing ahead, or for what takes long, does not wait for it", async () => {
  const fetched = vi.fn(() => new Promise<Response>(() => {}));
  vi.stubGlobal("fetch", fetched);
  const client = new QueryClient();
  await takeFirstEvents(client, STATE);
  expect(fetched).not.toHaveBeenCalled();
  sendAhead(address(SEARCH_PATH, firstPage(STATE)));
  await takeFirstEvents(client, STATE);
  expect(client.getQueryData(eventsKey({ ...STATE, run: 0 }))).toBeUndefined();
});
