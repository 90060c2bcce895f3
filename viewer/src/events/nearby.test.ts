import { expect, test } from "vitest";
import { Nearby } from "./nearby";

const IN_SIGHT = 30;

function at(nearby: Nearby, start: number) {
  return nearby.take({ startIndex: start, endIndex: start + IN_SIGHT - 1, overscan: 10, count: 10_000 });
}

function calm(): Nearby {
  const nearby = new Nearby();
  at(nearby, 0);
  settle(nearby, 0);
  return nearby;
}

/** The steps it takes until nothing is left to do. */
function settle(nearby: Nearby, start: number): number {
  for (let steps = 1; ; steps += 1) {
    if (!nearby.detail()) return steps;
    at(nearby, start);
  }
}

function celled(nearby: Nearby, rows: readonly number[]): number[] {
  return rows.filter((index) => nearby.hasCells(index));
}

test("at first rows in sight are drawn in brief, then some of them with their cells, then those beside them", () => {
  const nearby = new Nearby();
  const { rows } = at(nearby, 0);
  expect([rows.length, celled(nearby, rows).length]).toEqual([IN_SIGHT, 0]);
  nearby.detail();
  expect(celled(nearby, at(nearby, 0).rows)).toEqual(rows.slice(0, 12));
  expect(settle(nearby, 0)).toBeLessThan(10);
  const all = at(nearby, 0).rows;
  expect(all.length).toBe(IN_SIGHT + 10);
  expect(celled(nearby, all)).toEqual(all);
});

test("rows that come slowly have their cells at once", () => {
  const nearby = calm();
  const { rows, isFast } = at(nearby, 3);
  expect(isFast).toBe(false);
  expect(celled(nearby, rows)).toEqual(rows);
});

test("rows that come fast are brief, those that stay keep their cells", () => {
  const nearby = calm();
  const before = at(nearby, 0).rows;
  const { rows, isFast } = at(nearby, 20);
  expect(isFast).toBe(true);
  expect(celled(nearby, rows)).toEqual(rows.filter((index) => before.includes(index)));
  const back = at(nearby, 0).rows; // the first twenty were away
  expect(celled(nearby, back)).toEqual(rows.filter((index) => before.includes(index) && back.includes(index)));
  settle(nearby, 0);
  const all = at(nearby, 0).rows;
  expect(celled(nearby, all)).toEqual(all);
});

test("after a jump there is nothing beside the rows in sight until they have their cells", () => {
  const nearby = calm();
  const { rows } = at(nearby, 5000);
  expect([rows[0], rows.length, celled(nearby, rows).length]).toEqual([5000, IN_SIGHT, 0]);
  nearby.detail();
  nearby.detail();
  expect(at(nearby, 5000).rows.length).toBe(IN_SIGHT);
  settle(nearby, 5000);
  expect(at(nearby, 5000).rows.length).toBe(IN_SIGHT + 20);
});

test("a list that is followed has no brief rows, nor when it is held still", () => {
  const nearby = new Nearby();
  const followed = nearby.follow({ startIndex: 900, endIndex: 929, overscan: 0, count: 930 });
  expect(celled(nearby, followed)).toEqual(followed);
  const { rows, isFast } = at(nearby, 897);
  expect([isFast, celled(nearby, rows).length]).toEqual([false, rows.length]);
});
