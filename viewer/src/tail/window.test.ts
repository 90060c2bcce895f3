import { expect, test } from "vitest";
import { TailWindow } from "./window";

const text = (id: number) => JSON.stringify({ id: String(id), value: `"id":"${id + 1}"` });
const idsOf = (texts: readonly string[]) => texts.map((each) => Number((JSON.parse(each) as { id: string }).id));
const filled = (size: number, count: number) => {
  const window = new TailWindow(size);
  for (let id = 0; id < count; id += 1) window.push(text(id));
  return window;
};

test("the newest are shown, in bounded memory", () => {
  const window = filled(3, 10);
  expect(idsOf(window.look(9).fresh)).toEqual([7, 8, 9]);
  window.push(text(10));
  expect(idsOf(window.look(9).fresh)).toEqual([10]);
  expect(idsOf(window.all())).toEqual([8, 9, 10]);
  expect(window.look(9)).toEqual({ fresh: [], waiting: 0, dropped: 0, arrived: 11 });
});

test("a page is given no more than it shows, and all when it stands still", () => {
  const window = filled(9, 9);
  expect(idsOf(window.look(2).fresh)).toEqual([7, 8]);
  expect(idsOf(window.all())).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
});

test("while it stands still nothing is shown and what comes is counted", () => {
  const window = filled(3, 1);
  window.look(9);
  window.pause(true);
  window.push(text(1));
  window.push(text(2));
  expect(window.look(9)).toEqual({ fresh: [], waiting: 2, dropped: 0, arrived: 3 });
  expect(idsOf(window.all())).toEqual([0]);
  window.pause(false);
  expect(idsOf(window.look(9).fresh)).toEqual([1, 2]);
  expect(idsOf(window.all())).toEqual([0, 1, 2]);
});

test("what waits too long is dropped and said", () => {
  const window = new TailWindow(3);
  window.pause(true);
  for (let id = 0; id < 10; id += 1) window.push(text(id));
  expect(window.look(9)).toEqual({ fresh: [], waiting: 3, dropped: 7, arrived: 10 });
});

test("an event that comes twice after a reconnect stands there once", () => {
  const window = filled(9, 2);
  window.look(9);
  window.push(text(1));
  window.push(text(2));
  window.push(text(2));
  expect(idsOf(window.look(9).fresh)).toEqual([2]);
  expect(idsOf(window.all())).toEqual([0, 1, 2]);
});

test("one that has left the window may come again", () => {
  const window = filled(2, 3);
  window.look(9);
  window.push(text(0));
  expect(idsOf(window.look(9).fresh)).toEqual([0]);
});
