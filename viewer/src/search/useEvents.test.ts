import { expect, test } from "vitest";
import type { LogEvent } from "../api/types";
import { joined } from "./useEvents";

const event = (id: string) => ({ id }) as LogEvent;

test("an event that two pages have stands there once", () => {
  const pages = [{ events: [event("3"), event("2")] }, { events: [event("2"), event("1")] }];
  expect(joined(pages).map(({ id }) => id)).toEqual(["3", "2", "1"]);
});
