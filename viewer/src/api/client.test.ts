import { afterEach, expect, test, vi } from "vitest";
import { ApiError, address, ask, send } from "./client";

afterEach(() => vi.unstubAllGlobals());

const answering = (body: string, options: ResponseInit) =>
  vi.stubGlobal("fetch", () => Promise.resolve(new Response(body, options)));

test("parameters that are not set are left out", () => {
  expect(address("/x", { a: "1 2", b: "", c: null, d: undefined, e: 0 })).toBe("/x?a=1+2&e=0");
});

test("what belongs to an app is asked of the one that the page shows", () => {
  expect(address("/api/v1/search", { limit: 1 })).toBe("/api/v1/search?limit=1&app=default");
  expect(address("/api/v1/search", { app: "shop" })).toBe("/api/v1/search?app=shop");
  expect(address("/sessions/a%2Fb")).toBe("/sessions/a%2Fb?app=default");
  for (const path of ["/api/v1/me", "/api/v1/me/totp", "/api/v1/apps/shop/limits", "/api/v1/sign-in"])
    expect(address(path)).toBe(path);
});

test("a refusal has the API's words, its column and what to do", async () => {
  const error = { code: "query_syntax", message: "a bracket is open", column: 3 };
  answering(JSON.stringify({ error }), { status: 400 });
  await expect(ask("/x")).rejects.toMatchObject({ status: 400, message: "a bracket is open", column: 3 });
});

test("an answer that is none of the API's is an error too", async () => {
  answering("<html>", { status: 502, headers: { "Retry-After": "7" } });
  const error = await ask("/x").catch((caught: unknown) => caught as ApiError);
  expect(error).toBeInstanceOf(ApiError);
  expect(error).toMatchObject({ status: 502, retryAfterS: 7 });
  answering("<html>", { status: 200 });
  await expect(ask("/x")).rejects.toMatchObject({ code: "bad_answer" });
});

test("a service that does not answer is told from one that refuses", async () => {
  vi.stubGlobal("fetch", () => Promise.reject(new TypeError("failed")));
  await expect(ask("/x")).rejects.toMatchObject({ status: 0, isPassing: true });
});

test("only of what was read it is said that the page tries again by itself", async () => {
  vi.stubGlobal("fetch", () => Promise.reject(new TypeError("failed")));
  const told = (asked: Promise<unknown>) => asked.catch((error: ApiError) => [error.code, error.advice]);
  const [, reading] = (await told(ask("/x"))) as string[];
  const [code, sending] = (await told(send("POST", "/x", {}))) as string[];
  expect(reading).toContain("This page tries again by itself.");
  expect(code).toBe("unsent");
  expect(sending).not.toContain("by itself");
  expect(sending).toContain("send it once more");
});
