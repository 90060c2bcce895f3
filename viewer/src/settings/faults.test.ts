import { expect, test } from "vitest";
import { ApiError } from "../api/client";
import { fieldOf, isConflict } from "./faults";

test("a refusal stands at the field it is about", () => {
  const limits = ["events_per_second", "key_events_per_second", "retention_days"];
  const at = (code: string, message: string, fields: string[]) => fieldOf(new ApiError(400, code, message), fields);
  expect(at("bad_origin", "'x' is no origin of web pages", ["name", "origins"])).toBe("origins");
  expect(at("name_taken", "the name 'shop' is taken", ["name", "title"])).toBe("name");
  expect(at("invalid_json", "Expected `int` >= 1 - at `$.limits.retention_days`", limits)).toBe("retention_days");
  expect(at("invalid_json", "at `$.limits.key_events_per_second`", limits)).toBe("key_events_per_second");
  expect(at("too_many", "the app has 100 keys, which is the limit", ["origins"])).toBe("");
});

test("a name that is taken is no conflict of two people", () => {
  expect(isConflict(new ApiError(409, "conflict", ""))).toBe(true);
  expect(isConflict(new ApiError(409, "changed_meanwhile", ""))).toBe(true);
  expect(isConflict(new ApiError(409, "name_taken", ""))).toBe(false);
  expect(isConflict(null)).toBe(false);
});
