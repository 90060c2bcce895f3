/** One way to ask the API; every failure is an `ApiError` that says what to do. */
import { readJson } from "../text/json";
import { takeAhead } from "./ahead";
import { told } from "./told";

const UNREAD = "This page tries again by itself.";
const UNSENT = "Most likely nothing was saved: look when the service answers again, then send it once more.";

/** What was refused or failed. `column`: 1-based, where reading the query stopped. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly column: number | null = null,
    readonly retryAfterS: number | null = null,
  ) {
    super(message);
    this.name = "ApiError";
  }

  /** The same request may succeed a moment later. */
  get isPassing(): boolean {
    return this.status === 0 || this.status === 503 || this.status === 429;
  }

  /** What a person can do about it. */
  get advice(): string {
    if (this.status === 0)
      return `Is the service running, and are you online? ${this.code === "unsent" ? UNSENT : UNREAD}`;
    if (this.code === "forbidden") return "Your role does not allow this. Ask an administrator of this app.";
    if (this.code === "query_timeout" || this.code === "query_too_expensive")
      return "Choose a shorter time range, or add a field such as component: or session: that narrows it down.";
    if (this.isPassing) return `Too much is asked at once. Try again in ${this.retryAfterS ?? 5} seconds.`;
    if (this.status >= 500) return "This is a fault of the service. Its log says more; try again.";
    return "";
  }
}

export type Parameters = Record<string, string | number | boolean | null | undefined>;

// What belongs to an app, but where the path names it: without `app` the API takes the first one that may be read.
const OF_AN_APP = /^\/(?:sessions\/|api\/v1\/(?!(?:me|teams|members|invitations|tokens|apps|audit)\b|sign-|password-))/;

/** `path` with the parameters that are set, about the app that this page shows unless they name another. */
export function address(path: string, parameters: Parameters = {}): string {
  const given = new URLSearchParams();
  const all = OF_AN_APP.test(path) ? { ...parameters, app: parameters.app ?? told.app } : parameters;
  for (const [name, value] of Object.entries(all))
    if (value !== undefined && value !== null && value !== "") given.set(name, String(value));
  const text = given.toString();
  return text ? `${path}?${text}` : path;
}

/** The answer, decoded. Throws ApiError, or the AbortError of `signal`. */
export async function ask<Answer>(path: string, parameters: Parameters = {}, signal?: AbortSignal): Promise<Answer> {
  return decoded<Answer>(await request(address(path, parameters), signal ? { signal } : {}));
}

/** As `ask`, for what changes something. */
export async function send<Answer>(
  method: string,
  path: string,
  body?: unknown,
  parameters: Parameters = {},
): Promise<Answer> {
  const options: RequestInit = { method };
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers = { "Content-Type": "application/json" };
  }
  const answer = await request(address(path, parameters), options);
  return answer.status === 204 ? (undefined as Answer) : decoded<Answer>(answer);
}

async function request(url: string, options: RequestInit): Promise<Response> {
  let answer: Response;
  try {
    const ahead = options.method ? undefined : takeAhead(url, options.signal);
    answer = await (ahead ?? fetch(url, { credentials: "same-origin", ...options }));
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    // What changes something is never sent again by itself: it may have been done, and only its answer lost.
    throw new ApiError(0, options.method ? "unsent" : "unreachable", "the service does not answer");
  }
  if (!answer.ok) throw await failure(answer);
  return answer;
}

async function decoded<Answer>(answer: Response): Promise<Answer> {
  try {
    return readJson(await answer.text()) as Answer;
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(502, "bad_answer", "the answer is not what the API gives; is a proxy in between?");
  }
}

/** The error an answer tells of; also of one that a proxy made. */
export async function failure(answer: Response): Promise<ApiError> {
  const retry = Number(answer.headers.get("retry-after")) || null;
  try {
    const { error } = (await answer.json()) as { error: { code: string; message: string; column?: number } };
    if (error.code === "unauthorized") error.message = "your sign-in has ended"; // the API speaks of tokens there
    return new ApiError(answer.status, error.code, error.message, error.column ?? null, retry);
  } catch {
    return new ApiError(answer.status, "unknown", `the service answered ${answer.status}`, null, retry);
  }
}

/** Any thrown value as an error that can be shown. */
export function asApiError(error: unknown): ApiError {
  return error instanceof ApiError ? error : new ApiError(500, "bug", String(error));
}
