/** What whoever looks may do with the app that is shown; what they may not do is not offered. */
import { useQuery } from "@tanstack/react-query";
import { ask } from "./client";
import { told } from "./told";

interface Me {
  apps: { app: string; scopes: string[] }[];
}

/** Whether they may change statuses, labels and rules; false until that is known. */
export function useMayEdit(): boolean {
  const { data } = useQuery({
    queryKey: ["me"],
    staleTime: 300_000,
    queryFn: ({ signal }) => ask<Me>("/api/v1/me", {}, signal),
  });
  return data?.apps.find(({ app }) => app === told.app)?.scopes.includes("edit") ?? false;
}
