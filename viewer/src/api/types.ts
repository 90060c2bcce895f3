import type { components } from "./schema";

type Schemas = components["schemas"];

type Core = "id" | "session" | "key" | "value" | "time" | "received";

/** An event as the API gives it: fields that were not sent are left out. */
export type LogEvent = Pick<Schemas["EventAnswer"], Core> &
  Partial<Omit<Schemas["EventAnswer"], Core | "attributes">> & { attributes?: Record<string, unknown> };

/** What an answer cost, and how far it goes when it is not everything. */
export interface Cost {
  took_ms: number;
  rows_read: number;
  bytes_read: number;
  partial: "time" | "rows" | "bytes" | "memory" | null;
  reached: string | null;
}

export interface SearchAnswer extends Cost {
  events: LogEvent[];
  next: string | null;
}
export type HistogramAnswer = Schemas["HistogramAnswer"];
export type FacetsAnswer = Schemas["FacetsAnswer"];
export type FacetAnswer = Schemas["FacetAnswer"];
export type StatsAnswer = Schemas["StatsAnswer"];
export type PatternsAnswer = Schemas["PatternsAnswer"];
export type PatternAnswer = Schemas["PatternAnswer"];
export type CompleteAnswer = Schemas["CompleteAnswer"];
export type CompletionItem = Schemas["CompletionItem"];
export type ActivityAnswer = Schemas["ActivityAnswer"];
export type SessionAnswer = Omit<Schemas["SessionAnswer"], "events"> & { events: LogEvent[] };
export type SessionNeighbours = Schemas["SessionNeighbours"];

export interface Neighbours {
  before: LogEvent[];
  after: LogEvent[];
}
export type EventInContext = LogEvent & Cost & { context?: { session: Neighbours; component: Neighbours | null } };

export interface Ledger {
  received: number;
  stored: number;
  rejected: Record<string, number>;
  over_quota: number;
  expired: number;
  queued: number;
  erased: number;
}

export interface RejectedSample {
  time: string;
  reason: string;
  message: string;
  source: string;
  text: string;
}

export type SavedSearch = Schemas["SavedSearchAnswer"];

export type DeviceAnswer = Schemas["DeviceAnswer"];
export type RegisteredAnswer = Schemas["RegisteredAnswer"];
export type ConfigurationAnswer = Schemas["ConfigurationAnswer"];
export type RuleAnswer = Schemas["RuleAnswer"];
export type RulesAnswer = Schemas["RulesAnswer"];
export type IssueAnswer = Schemas["IssueAnswer"];
export type IssuesAnswer = Schemas["IssuesAnswer"];
export type OccurrenceAnswer = Schemas["OccurrenceAnswer"];
export type OccurrencesAnswer = Schemas["OccurrencesAnswer"];
export type TalliesAnswer = Schemas["TalliesAnswer"];
