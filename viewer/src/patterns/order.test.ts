import { expect, test } from "vitest";
import type { PatternAnswer } from "../api/types";
import { growth, ordered } from "./order";

const pattern = (template: string, count: number, before: number | null, isNew = false) =>
  ({ template, count, before, new: isNew }) as PatternAnswer;

const ALL = [
  pattern("a", 10, 9),
  pattern("b", 8, 2),
  pattern("c", 5, 0, true),
  pattern("d", 4, null),
  pattern("e", 3, 2),
  pattern("f", 6, 0),
  pattern("g", 7, 0),
];

test("what grew is sorted by how much, what is new is told apart", () => {
  expect(ordered(ALL, "grew").map(({ template }) => template)).toEqual(["g", "f", "b", "e"]); // what was silent has grew most;
  expect(ordered(ALL, "new").map(({ template }) => template)).toEqual(["c"]);
  expect(ordered(ALL, "count")).toEqual(ALL);
  expect(growth(ALL[3]!)).toBeNull();
});
