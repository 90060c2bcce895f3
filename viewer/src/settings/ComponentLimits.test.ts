import { expect, test } from "vitest";
import { nameProblems, writeComponents } from "./ComponentLimits";

const row = (name: string, perDay = "") => ({ name, perDay, bytesPerDay: "", perSecond: "" });

test("numbers of no component, and two rows of one, are told at their rows", () => {
  expect(nameProblems([row("", "7"), row("bank", "1"), row("app"), row(" bank ", "2"), row("")])).toEqual([
    "Say which component, or remove the row.",
    "bank has two rows: keep one of them.",
    "",
    "bank has two rows: keep one of them.",
    "",
  ]);
});

test("an empty row is none", () => {
  expect(Object.keys(writeComponents([row(""), row("bank", "1")]))).toEqual(["bank"]);
});
