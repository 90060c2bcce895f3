import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { ask, send } from "../api/client";
import type { RuleAnswer, RulesAnswer } from "../api/types";
import type { Wanted } from "./remote";

const LOOK_MS = 20_000; // rules end by themselves, and others make them
const KNOWN_MS = 2500; // until every part of the service knows of a change (metastore.refresh_s)

export interface Target {
  device?: string;
  user?: string;
  query?: string;
}

/** All rules, or those that apply to a device now, with what they make together. */
export function useRules(device = "") {
  return useQuery({
    queryKey: ["rules", device],
    refetchInterval: LOOK_MS,
    queryFn: ({ signal }) => ask<RulesAnswer>("/api/v1/remote", { device }, signal),
  });
}

/** After a change: at once, and when what devices are told has followed. */
function useFollow(): () => void {
  const client = useQueryClient();
  return () => {
    const look = () => {
      void client.invalidateQueries({ queryKey: ["rules"] });
      void client.invalidateQueries({ queryKey: ["activity", "devices"] });
    };
    look();
    setTimeout(look, KNOWN_MS);
  };
}

export function useMakeRule() {
  const follow = useFollow();
  return useMutation({
    mutationFn: (asked: Target & Wanted & { for_s: number; why: string }) =>
      send<RuleAnswer>("POST", "/api/v1/remote", asked),
    onSuccess: follow,
  });
}

export function useEndRule() {
  const follow = useFollow();
  return useMutation({
    mutationFn: (rule: string) => send<RuleAnswer>("DELETE", `/api/v1/remote/${encodeURIComponent(rule)}`),
    onSettled: follow,
  });
}

const TICK_MS = 15_000;

/** Now, every little while: for what is told as time that is left. */
export function useNow(): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), TICK_MS);
    return () => clearInterval(timer);
  }, []);
  return now;
}
