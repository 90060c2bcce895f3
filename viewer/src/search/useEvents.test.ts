import { expect, test } from "vitest";
import type { LogEvent } from "../api/types";
import { joined } from "./useEvents";

const event = (id: string, time: string) => ({ id, time }) as LogEvent;

test("an event that two pages have stands there once", () => {
  const newer = [event("4", "t3"), event("3", "t2"), event("2", "t2")];
  const pages = [{ events: newer }, { events: [] }, { events: [event("2", "t2"), event("1", "t2")] }];
  expect(joined(pages).map(({ id }) => id)).toEqual(["4", "3", "2", "1"]);
  expect(joined([...pages, { events: [event("0", "t1")] }])).toHaveLength(5);
  expect(joined([])).toEqual([]);
});
