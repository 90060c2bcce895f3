import { expect, test } from "vitest";
import { intakeOf, snippets } from "./snippets";

const page = (address: string) => {
  const { protocol, host, hostname } = new URL(address);
  return { protocol, host, hostname };
};

test("the intake is where senders reach it", () => {
  const of = (told: string, address: string) => intakeOf(told, page(address));
  expect(of("127.0.0.1:7300", "http://127.0.0.1:7301/app/")).toEqual({
    url: "http://127.0.0.1:7300",
    host: "127.0.0.1",
    port: "7300",
  });
  expect(of("0.0.0.0:7300", "http://logs.lan:7301/app/").url).toBe("http://logs.lan:7300");
  expect(of("127.0.0.1:7300", "https://logs.example.org/app/")).toEqual({
    url: "https://logs.example.org",
    host: "logs.example.org",
    port: "7300",
  });
  expect(of("[::1]:7300", "http://localhost:7301/").url).toBe("http://[::1]:7300");
});

test("every way in has a snippet with the key, a key bound to pages only theirs", () => {
  const intake = intakeOf("127.0.0.1:7300", page("http://127.0.0.1:7301/"));
  const given = { key: "lkw_k1", session: "hello-1", origins: [], intake };
  const all = snippets(given);
  expect(all.map(({ name }) => name)).toEqual(["HTTP (curl)", "logkeep send", "Python", "UDP", "JavaScript"]);
  for (const { text } of all) {
    expect(text).toContain("lkw_k1");
    expect(text).toContain("hello-1");
  }
  expect(snippets({ ...given, origins: ["https://shop.example"] }).map(({ name }) => name)).toEqual(["JavaScript"]);
});
