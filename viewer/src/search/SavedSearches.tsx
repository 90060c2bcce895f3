import { useState } from "react";
import { useMayEdit } from "../api/may";
import type { SavedSearch } from "../api/types";
import { usePreferences } from "../app/preferences";
import { split } from "../query/edit";
import { Name } from "../text/Shown";
import { cut } from "../text/values";
import { Icon } from "../ui/Icon";
import { Problem } from "../ui/Notice";
import { Popover } from "../ui/Popover";
import { Skeleton } from "../ui/Skeleton";
import { StartChoice } from "./StartChoice";
import { joinedQuery, kept, opened, remove, replace, save, useChange, useSaved } from "./saved";
import type { Change, SearchState } from "./state";

/** What people of this app look for again: opened, added to the query at hand, saved, deleted. */
export function SavedSearches({ state, change }: { state: SearchState; change: Change }) {
  const [open, setOpen] = useState(false);
  const { widths } = usePreferences();
  const { data, error } = useSaved(open);
  const mayEdit = useMayEdit();
  const removing = useChange(remove);
  const replacing = useChange(replace);
  const problem = error ?? removing.error ?? replacing.error;
  const choose = (changed: Partial<SearchState>) => {
    setOpen(false);
    change(changed);
  };
  return (
    <Popover
      open={open}
      onOpenChange={setOpen}
      label="Saved searches"
      triggerClass="time-button"
      trigger={<Icon name="star" />}
    >
      <div className="saved">
        <h2>Saved searches</h2>
        {problem && <Problem error={problem} />}
        {!data && !error && <Skeleton lines={3} />}
        {data?.length === 0 && (
          <p className="note">
            {mayEdit
              ? "None yet. What you save here, all who read this app see."
              : "None yet. Members of the team save searches here for all who read this app; you may look."}
          </p>
        )}
        <ul>
          {data?.map((saved) => (
            <Saved
              key={saved.id}
              saved={saved}
              mayEdit={mayEdit}
              onOpen={() => choose(opened(saved))}
              onJoin={() => choose({ query: joined(state, saved) })}
              onReplace={() => replacing.mutate({ saved, search: kept(state, widths) })}
              onRemove={() => removing.mutate(saved)}
            />
          ))}
        </ul>
        {mayEdit && <SaveForm search={kept(state, widths)} />}
        <StartChoice state={state} />
      </div>
    </Popover>
  );
}

function joined(state: SearchState, saved: SavedSearch): string {
  const { filter, stages } = split(state.query);
  return `${joinedQuery(filter, split(saved.search.query ?? "").filter)} ${stages}`.trim();
}

interface SavedProps {
  saved: SavedSearch;
  mayEdit: boolean;
  onOpen: () => void;
  onJoin: () => void;
  onReplace: () => void;
  onRemove: () => void;
}

function Saved({ saved, mayEdit, onOpen, onJoin, onReplace, onRemove }: SavedProps) {
  const [sure, setSure] = useState(false);
  return (
    <li>
      <button type="button" className="menu-item saved-name" onClick={onOpen}>
        <Name text={saved.name} />
        <code className="note">{cut(saved.search.query || "everything", 60)}</code>
      </button>
      <button type="button" className="small" title="both must be met" onClick={onJoin}>
        and
      </button>
      {mayEdit && (
        <>
          <button type="button" className="small" title={`saved by ${saved.saved_by}`} onClick={onReplace}>
            replace
          </button>
          <button
            type="button"
            className="small"
            aria-label={`Delete ${saved.name}`}
            onClick={() => (sure ? onRemove() : setSure(true))}
          >
            {sure ? "for everyone?" : "delete"}
          </button>
        </>
      )}
    </li>
  );
}

function SaveForm({ search }: { search: ReturnType<typeof kept> }) {
  const [name, setName] = useState("");
  const saving = useChange(save);
  return (
    <form
      className="save-form"
      onSubmit={(event) => {
        event.preventDefault();
        saving.mutate({ name, search }, { onSuccess: () => setName("") });
      }}
    >
      <input
        aria-label="Name of this search"
        placeholder="name this search…"
        value={name}
        maxLength={120}
        onChange={(event) => setName(event.target.value)}
      />
      <button type="submit" className="primary" disabled={!name.trim() || saving.isPending}>
        Save
      </button>
      {saving.error && <Problem error={saving.error} />}
    </form>
  );
}
