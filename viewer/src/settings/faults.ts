/** Where a refusal of the API belongs in a form. */
import { ApiError } from "../api/client";

/** The field that `error` is about, by its code or by a name that its text mentions; "" for the form as a whole. */
export function fieldOf(error: ApiError, fields: readonly string[]): string {
  const told = error.code === "name_taken" ? "name" : error.code.replace(/^bad_/, "");
  const byCode = fields.find((field) => field === told || field === `${told}s`);
  if (byCode) return byCode;
  return fields.find((field) => new RegExp(`\\b${field}\\b`).test(error.message)) ?? "";
}

const PLACE = /^\w+(?:\.\w+)*(?:\[(\d+)\](?:\.(\w+))?)?: /; // in the body that was sent

/** `error` as it reads at its field: without its place in the body, and of a list with what was typed there. */
export function atField(error: ApiError, entries: readonly string[] = []): ApiError {
  const [place, index, member] = PLACE.exec(error.message) ?? [];
  if (!place) return error;
  const entry = index && (entries[Number(index)] ? `“${entries[Number(index)]}”` : `entry ${Number(index) + 1}`);
  const message = `${entry ? `${entry}${member ? `, ${member}` : ""}: ` : ""}${error.message.slice(place.length)}`;
  return new ApiError(error.status, error.code, message, error.column, error.retryAfterS);
}

/** Somebody else changed it since it was read. */
export function isConflict(error: ApiError | null): boolean {
  return error?.status === 409 && (error.code === "conflict" || error.code === "changed_meanwhile");
}
