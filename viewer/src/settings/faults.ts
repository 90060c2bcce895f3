/** Where a refusal of the API belongs in a form. */
import type { ApiError } from "../api/client";

/** The field that `error` is about, by its code or by a name that its text mentions; "" for the form as a whole. */
export function fieldOf(error: ApiError, fields: readonly string[]): string {
  const told = error.code === "name_taken" ? "name" : error.code.replace(/^bad_/, "");
  const byCode = fields.find((field) => field === told || field === `${told}s`);
  if (byCode) return byCode;
  return fields.find((field) => new RegExp(`\\b${field}\\b`).test(error.message)) ?? "";
}

/** Somebody else changed it since it was read. */
export function isConflict(error: ApiError | null): boolean {
  return error?.status === 409 && (error.code === "conflict" || error.code === "changed_meanwhile");
}
