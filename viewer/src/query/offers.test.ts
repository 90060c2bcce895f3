import { expect, test } from "vitest";
import { narrowed } from "./offers";

const offers = (...texts: string[]) => texts.map((text) => ({ text }));

test("offers that go on as it was typed are left, in any case", () => {
  expect(narrowed(offers("bank", "Bakery", "cart"), "ba")).toEqual(offers("bank", "Bakery"));
});

test("they are asked for again where another may fit", () => {
  expect(narrowed(offers("bank", "cart"), "x")).toBeNull(); // none does
  expect(narrowed(offers("bank", "banking"), "bank")).toBeNull(); // what may follow a whole one
  expect(narrowed(offers("bank", "bar"), '"ba')).toBeNull(); // quotes are the API's to read
  expect(narrowed(offers(...Array.from({ length: 20 }, (_, n) => `bank${n}`)), "ba")).toBeNull(); // there may be more
});
