import { expect, test } from "vitest";
import type { LogEvent } from "../api/types";
import { nearest, timeline } from "./lanes";

const at = (second: number, component: string, level = "info") =>
  ({ time: `2026-08-01T10:00:${String(second).padStart(2, "0")}Z`, component, level }) as LogEvent;

test("events lie in their component's lane, from one end to the other", () => {
  const line = timeline([at(0, "app"), at(5, "proxy", "error"), at(10, "app")], ["app", "proxy"]);
  expect(line.lanes.map(({ component, events }) => [component, events])).toEqual([
    ["app", [0, 2]],
    ["proxy", [1]],
  ]);
  expect(line.places).toEqual([5, 500, 995]);
  expect(Object.keys(line.lanes[1]!.paths)).toEqual(["error"]);
  expect(nearest(line, line.lanes[0]!, 900)).toBe(2);
});

test("a session of one event is one stroke", () => {
  expect(timeline([at(0, "")], [""]).places).toEqual([5]);
});
