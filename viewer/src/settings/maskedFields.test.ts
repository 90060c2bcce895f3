import { expect, test } from "vitest";
import { readFields } from "./maskedFields";

test("fields are one a line or have commas between, and a space makes no two of one", () => {
  expect(readFields("pin, cvv\r\n card number \n\n,token\n")).toEqual(["pin", "cvv", "card number", "token"]);
  expect(readFields(" \n")).toEqual([]);
});
