import { useMutation, useQueryClient } from "@tanstack/react-query";
import { send } from "../api/client";
import { type Me, useMe } from "../api/me";
import { told } from "../api/told";
import { choose as chooseLooks, usePreferences } from "../app/preferences";
import { Problem } from "../ui/Notice";
import { isSameSearch, startOf } from "./start";
import { type SearchState, writeState } from "./state";

/** The search that the viewer opens with: an account keeps it, else this browser. */
export function StartChoice({ state }: { state: SearchState }) {
  const { kept, here, begin, isPending, error } = useStart();
  const shown = writeState({ ...state, context: "" });
  const start = startOf(kept, here);
  const isThis = (search: string) => isSameSearch(search, shown);
  return (
    <>
      <p className="start-choice">
        <span className="note">{said(kept, start, isThis(start))}</span>
        {!isThis(kept ?? start) && (
          <button
            type="button"
            className="small"
            title="opened when you come to this app"
            disabled={isPending}
            onClick={() => begin(shown)}
          >
            Begin with this search
          </button>
        )}
        {start && (
          <button type="button" className="small" disabled={isPending} onClick={() => begin("")}>
            Begin with everything
          </button>
        )}
      </p>
      {error && <Problem error={error} />}
    </>
  );
}

/** What one begins with, and where that is kept: both in words. */
function said(kept: string | null, start: string, isThis: boolean): string {
  const what = start ? `You begin with ${isThis ? "this" : "another"} search` : "You begin with everything";
  if (kept === null) return `${what}, in this browser: a token has no account that keeps it.`;
  if (start && !kept) return `${what}, in this browser alone.`;
  return `${what}, wherever you sign in.`;
}

function useStart() {
  const { data: me } = useMe();
  const { starts } = usePreferences();
  const client = useQueryClient();
  const forgetHere = () => {
    const { [told.app]: _, ...others } = starts;
    return others;
  };
  const keeping = useMutation({
    mutationFn: (search: string) => {
      const path = `/api/v1/me/starts/${encodeURIComponent(told.app)}`;
      return search ? send("PUT", path, { search }) : send("DELETE", path);
    },
    onSuccess: (_, search) => {
      client.setQueryData<Me>(["me"], (before) => before && withStart(before, search));
      chooseLooks({ starts: forgetHere() });
    },
  });
  const ofPerson = me ? me.kind === "person" : told.start !== null;
  const kept = me?.apps.find(({ app }) => app === told.app)?.start ?? told.start ?? "";
  const keepHere = (search: string) =>
    chooseLooks({ starts: search ? { ...forgetHere(), [told.app]: search } : forgetHere() });
  return {
    kept: ofPerson ? kept : null,
    here: starts[told.app] ?? "",
    begin: ofPerson ? (search: string) => keeping.mutate(search) : keepHere,
    isPending: keeping.isPending,
    error: keeping.error,
  };
}

function withStart(me: Me, start: string): Me {
  return { ...me, apps: me.apps.map((each) => (each.app === told.app ? { ...each, start } : each)) };
}
