import { expect, test } from "vitest";
import { betterAddress } from "./arrival";

test("the API's name of a query is understood, and becomes the viewer's", () => {
  expect(betterAddress("/app/", "?query=level%3Aerror&from=-1h", "")).toBe("/app/?from=-1h&q=level%3Aerror");
  expect(betterAddress("/app/tail", "?query=x", "")).toBe("/app/tail?q=x");
  expect(betterAddress("/app/", "?q=mine&query=x", "")).toBe("/app/?q=mine");
  expect(betterAddress("/app/", "?q=mine", "")).toBeNull();
  expect(betterAddress("/app/issues", "?query=x", "")).toBeNull();
});

test("pages of one thing are found where people look for them", () => {
  expect(betterAddress("/app/sessions/order-7%2F%C3%A9", "", "")).toBe("/app/session?session=order-7%2F%C3%A9");
  expect(betterAddress("/app/devices/till-4", "?app=shop", "")).toBe("/app/device?app=shop&device=till-4");
  expect(betterAddress("/app/users/ada@example.org", "", "")).toBe("/app/user?user=ada%40example.org");
  expect(betterAddress("/app/issue/i-1", "", "")).toBe("/app/issue?id=i-1");
  expect(betterAddress("/app/events/50%", "", "")).toBe("/app/event?id=50%25");
  expect(betterAddress("/app/sessions", "", "q=x")).toBeNull();
  expect(betterAddress("/app/settings/keys", "", "")).toBeNull();
});

test("who opens the viewer and says nothing begins with the search of their choice", () => {
  expect(betterAddress("/app/", "", "q=level%3Aerror")).toBe("/app/?q=level%3Aerror");
  expect(betterAddress("/app/", "?from=all", "q=level%3Aerror")).toBeNull();
  expect(betterAddress("/app/tail", "", "q=level%3Aerror")).toBeNull();
});
