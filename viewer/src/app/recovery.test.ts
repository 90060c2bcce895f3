import { InfiniteQueryObserver, QueryClient, QueryObserver } from "@tanstack/react-query";
import { afterEach, expect, test, vi } from "vitest";
import { ApiError } from "../api/client";
import { reloadOnceBack, tryAgain } from "./recovery";

afterEach(() => vi.unstubAllGlobals());

const away = new ApiError(0, "unreachable", "the service does not answer");
const health = (fetched: () => Promise<Response>) => vi.stubGlobal("fetch", vi.fn(fetched));
const up = () => Promise.resolve(new Response("{}"));

/** A page that has failed with `error` and is still open; the answers that follow. */
async function failed(client: QueryClient, key: string, error: ApiError, shown = true) {
  const queryFn = vi.fn<() => Promise<string>>().mockRejectedValueOnce(error).mockResolvedValue("here");
  const observer = new QueryObserver(client, { queryKey: [key], queryFn, retry: false });
  const close = observer.subscribe(() => undefined);
  await vi.waitFor(() => expect(observer.getCurrentResult().status).toBe("error"));
  if (!shown) close();
  return { observer, queryFn };
}

test("what got no answer is asked for again when the service answers, and not before", async () => {
  const client = new QueryClient();
  const { observer, queryFn } = await failed(client, "issue", away);
  health(() => Promise.reject(new TypeError("failed")));
  await tryAgain(client);
  health(() => Promise.resolve(new Response("", { status: 502 })));
  await tryAgain(client);
  expect(queryFn).toHaveBeenCalledTimes(1);
  health(up);
  await tryAgain(client);
  await vi.waitFor(() => expect(observer.getCurrentResult().data).toBe("here"));
});

test("what was refused, or is not on screen any more, is not asked for again", async () => {
  const client = new QueryClient();
  const refused = await failed(client, "refused", new ApiError(403, "forbidden", "no"));
  const left = await failed(client, "left", away, false);
  health(up);
  await tryAgain(client);
  expect(fetch).not.toHaveBeenCalled();
  expect([refused.queryFn.mock.calls.length, left.queryFn.mock.calls.length]).toEqual([1, 1]);
});

test("of a list the page that failed is asked for again, and none of those before it", async () => {
  const client = new QueryClient();
  const asked: number[] = [];
  let isAway = false;
  const observer = new InfiniteQueryObserver(client, {
    queryKey: ["list"],
    initialPageParam: 1,
    queryFn: ({ pageParam }) => {
      asked.push(pageParam);
      return isAway ? Promise.reject(away) : Promise.resolve(pageParam);
    },
    getNextPageParam: (last) => last + 1,
    retry: false,
  });
  observer.subscribe(() => undefined);
  await vi.waitFor(() => expect(observer.getCurrentResult().data?.pages).toEqual([1]));
  isAway = true;
  await observer.fetchNextPage();
  isAway = false;
  health(up);
  await tryAgain(client);
  await vi.waitFor(() => expect(observer.getCurrentResult().data?.pages).toEqual([1, 2]));
  expect(asked).toEqual([1, 2, 2]);
});

/** A tab that is seen, with what it keeps; its looks are asked for one by one, and each is over on return. */
function tab() {
  const kept = new Map<string, string>();
  vi.stubGlobal("sessionStorage", {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => kept.set(key, value),
    removeItem: (key: string) => kept.delete(key),
  });
  const listening = new Map<string, () => void>();
  const listeners = {
    addEventListener: (name: string, told: () => void) => listening.set(name, told),
    removeEventListener: (name: string) => listening.delete(name),
  };
  vi.stubGlobal("document", { visibilityState: "visible", ...listeners });
  for (const [name, does] of Object.entries(listeners)) vi.stubGlobal(name, does);
  const look = async () => {
    listening.get("online")?.();
    await new Promise((done) => setTimeout(done));
  };
  return { look, listening };
}

test("a page that misses a part loads again once the service answers, and once only", async () => {
  const { look, listening } = tab();
  const reload = vi.fn();
  reloadOnceBack(reload);
  health(() => Promise.reject(new TypeError("failed")));
  await look();
  expect(reload).not.toHaveBeenCalled();
  health(up);
  await look();
  expect([reload.mock.calls.length, listening.size]).toEqual([1, 0]);
});

test("a part that is missing after that makes no loop: the service has to have been away", async () => {
  const { look } = tab();
  const reload = vi.fn();
  health(up);
  reloadOnceBack(reload);
  await look();
  const end = reloadOnceBack(reload); // of the page that was loaded
  await look();
  await look();
  expect(reload).toHaveBeenCalledTimes(1);
  health(() => Promise.resolve(new Response("", { status: 502 })));
  await look();
  health(up);
  await look();
  expect(reload).toHaveBeenCalledTimes(2);
  end();
});

test("who has left a page that missed a part is not taken anywhere", async () => {
  const { look } = tab();
  const reload = vi.fn();
  health(up);
  reloadOnceBack(reload)();
  await look();
  expect(reload).not.toHaveBeenCalled();
});
