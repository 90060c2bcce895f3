import { expect, test } from "vitest";
import { ApiError } from "../api/client";
import { atField, fieldOf, isConflict } from "./faults";

test("a refusal stands at the field it is about", () => {
  const limits = ["events_per_second", "key_events_per_second", "retention_days"];
  const at = (code: string, message: string, fields: string[]) => fieldOf(new ApiError(400, code, message), fields);
  expect(at("bad_origin", "'x' is no origin of web pages", ["name", "origins"])).toBe("origins");
  expect(at("name_taken", "the name 'shop' is taken", ["name", "title"])).toBe("name");
  expect(at("bad_input", "limits.retention_days: it takes 1 at least", limits)).toBe("retention_days");
  expect(at("bad_input", "limits.key_events_per_second: it takes 0 at least", limits)).toBe("key_events_per_second");
  expect(at("too_many", "the app has 100 keys, which is the limit", ["origins"])).toBe("");
});

test("at its field a refusal has no place in the body, and names the entry of a list", () => {
  const shown = (message: string, entries?: string[]) =>
    atField(new ApiError(400, "bad_input", message), entries).message;
  expect(shown("limits.retention_days: it takes 1 at least")).toBe("it takes 1 at least");
  expect(shown("rules.fields[1]: it takes a name", ["pin", "card number"])).toBe("“card number”: it takes a name");
  expect(shown("rules.patterns[0].name: it takes a name", [""])).toBe("entry 1, name: it takes a name");
  expect(shown("pattern 'a', character 1: `)` closes nothing")).toBe("pattern 'a', character 1: `)` closes nothing");
});

test("a name that is taken is no conflict of two people", () => {
  expect(isConflict(new ApiError(409, "conflict", ""))).toBe(true);
  expect(isConflict(new ApiError(409, "changed_meanwhile", ""))).toBe(true);
  expect(isConflict(new ApiError(409, "name_taken", ""))).toBe(false);
  expect(isConflict(null)).toBe(false);
});
