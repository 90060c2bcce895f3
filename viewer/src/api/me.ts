/** Who looks at this page, and what they may do where. */
import { useQuery } from "@tanstack/react-query";
import { ask } from "./client";
import type { components } from "./schema";

export type Me = components["schemas"]["MeAnswer"];

export function useMe() {
  return useQuery({
    queryKey: ["me"],
    staleTime: 60_000,
    queryFn: ({ signal }) => ask<Me>("/api/v1/me", {}, signal),
  });
}

/** Whether there is anything in the settings for them: all people have tokens of their own, a token may only read. */
export function hasSettings(me: Me | undefined): boolean {
  if (!me) return false;
  return me.kind === "person" || [...me.teams, ...me.apps].some((each) => each.scopes.some((one) => one !== "read"));
}
