import { afterEach, expect, test, vi } from "vitest";
import { sendAhead, takeAhead } from "./ahead";
import { ask } from "./client";

afterEach(() => vi.unstubAllGlobals());

test("an answer that was asked for ahead is taken once, by who asks the same, also after a look at it", async () => {
  const fetched = vi.fn(async () => new Response("{}"));
  vi.stubGlobal("fetch", fetched);
  expect(await (await sendAhead("/api/v1/me?a=1")).text()).toBe("{}");
  await ask("/api/v1/me", { a: 2 });
  expect(fetched).toHaveBeenCalledTimes(2);
  await ask("/api/v1/me", { a: 1 });
  expect(fetched).toHaveBeenCalledTimes(2);
  await ask("/api/v1/me", { a: 1 });
  expect(fetched).toHaveBeenCalledTimes(3);
});

test("who stops asking stops what was sent ahead", () => {
  const fetched = vi.fn((_: string, _options: RequestInit) => new Promise<Response>(() => {}));
  vi.stubGlobal("fetch", fetched);
  void sendAhead("/api/v1/search");
  const reader = new AbortController();
  void takeAhead("/api/v1/search", reader.signal);
  expect(fetched.mock.calls[0]![1].signal?.aborted).toBe(false);
  reader.abort();
  expect(fetched.mock.calls[0]![1].signal?.aborted).toBe(true);
});

test("a failure is told to who takes it", async () => {
  vi.stubGlobal("fetch", () => Promise.reject(new TypeError("offline")));
  await expect(sendAhead("/api/v1/search")).rejects.toThrow("offline");
  await expect(ask("/api/v1/search", { app: "" })).rejects.toMatchObject({ code: "unreachable" });
});
