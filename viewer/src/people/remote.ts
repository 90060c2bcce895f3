/** Remote control in words: what a rule says, whom it is for, how long it holds. Pure. */
import type { ConfigurationAnswer, RuleAnswer } from "../api/types";
import { span } from "../time/format";

type Said = Pick<ConfigurationAnswer, "enabled" | "min_level" | "sample_rate" | "send_all_now">;

/** What a person chooses; "" and null: nothing about that, the device's own setting holds. */
export interface Wanted {
  enabled: boolean | null;
  min_level: string | null;
  sample_rate: number | null;
  send_all_now: boolean;
}

export const NOTHING: Wanted = { enabled: null, min_level: null, sample_rate: null, send_all_now: false };

export const PRESETS: readonly [name: string, wanted: Wanted][] = [
  ["everything, now", { enabled: true, min_level: "trace", sample_rate: 1, send_all_now: true }],
  ["debug and up", { enabled: true, min_level: "debug", sample_rate: 1, send_all_now: false }],
  ["all it has, once", { ...NOTHING, send_all_now: true }],
  ["errors alone", { ...NOTHING, min_level: "error" }],
  ["nothing", { ...NOTHING, enabled: false }],
];

export const LASTS: readonly [seconds: number, name: string][] = [
  [900, "15 minutes"],
  [3600, "1 hour"],
  [14_400, "4 hours"],
  [86_400, "1 day"],
  [604_800, "7 days"],
  [2_592_000, "30 days"],
];

export function isNothing(wanted: Wanted): boolean {
  return wanted.enabled === null && wanted.min_level === null && wanted.sample_rate === null && !wanted.send_all_now;
}

export function same(one: Wanted, other: Wanted): boolean {
  return JSON.stringify({ ...NOTHING, ...one }) === JSON.stringify({ ...NOTHING, ...other });
}

/** What a device is told, in words; "" when it is told nothing. */
export function words(said: Said | Wanted): string {
  const parts: string[] = [];
  if (said.enabled === false) parts.push("send nothing, go on buffering");
  if (said.enabled === true && !said.min_level) parts.push("send");
  if (said.min_level) parts.push(`${said.enabled === true ? "send " : ""}${said.min_level} and up`);
  if (said.sample_rate !== null)
    parts.push(said.sample_rate === 1 ? "all sessions" : `${percent(said.sample_rate)} of all sessions`);
  if (said.send_all_now) parts.push("all it has, once");
  return parts.join(", ");
}

export function percent(share: number): string {
  return `${Number((share * 100).toPrecision(3))} %`;
}

export function whom(rule: Pick<RuleAnswer, "device" | "user" | "query">): { of: string; name: string } {
  if (rule.device !== null) return { of: "device", name: rule.device };
  if (rule.user !== null) return { of: "user", name: rule.user };
  return rule.query ? { of: "devices", name: rule.query } : { of: "all devices", name: "" };
}

/** `in 59 m`, `ended 3 h ago`: the seconds do not matter to anybody. */
export function ending(until: string, now: number): string {
  const left = Date.parse(until) - now;
  const rough = span(Math.abs(left))
    .replace(/(?:(\d m)|(\d h)|(\d d)) .*$/, "$1$2$3")
    .replace(/\.\d+/, "");
  return left > 0 ? `in ${rough}` : `${rough} ago`;
}
