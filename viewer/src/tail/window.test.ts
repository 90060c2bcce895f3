import { expect, test } from "vitest";
import type { LogEvent } from "../api/types";
import { TailWindow } from "./window";

const event = (id: number) => ({ id: String(id) }) as LogEvent;
const ids = (window: TailWindow) => window.view().events.map(({ id }) => Number(id));

test("the newest are shown, in bounded memory", () => {
  const window = new TailWindow(3);
  for (let id = 0; id < 10; id += 1) window.push(event(id));
  expect(ids(window)).toEqual([7, 8, 9]);
  window.push(event(10));
  expect(ids(window)).toEqual([8, 9, 10]);
  expect(window.view().dropped).toBe(0);
});

test("while it stands still the list stays and what comes is counted", () => {
  const window = new TailWindow(3);
  window.push(event(1));
  const before = window.view().events;
  window.pause(true);
  window.push(event(2));
  window.push(event(3));
  expect(window.view().events).toBe(before);
  expect(window.view().waiting).toBe(2);
  window.pause(false);
  expect(ids(window)).toEqual([1, 2, 3]);
});

test("what waits too long is dropped and said", () => {
  const window = new TailWindow(3);
  window.pause(true);
  for (let id = 0; id < 10; id += 1) window.push(event(id));
  const view = window.view();
  expect([view.waiting, view.dropped]).toEqual([3, 7]);
});

test("an event that comes twice after a reconnect stands there once", () => {
  const window = new TailWindow(9);
  window.push(event(1));
  window.view();
  window.push(event(1));
  window.push(event(2));
  expect(ids(window)).toEqual([1, 2]);
});
