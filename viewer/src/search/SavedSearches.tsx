import { useState } from "react";
import { asApiError } from "../api/client";
import type { SavedSearch } from "../api/types";
import { split } from "../query/edit";
import { Name } from "../text/Shown";
import { cut } from "../text/values";
import { Icon } from "../ui/Icon";
import { Popover } from "../ui/Popover";
import { Skeleton } from "../ui/Skeleton";
import { joinedQuery, opened, remove, replace, save, useChange, useSaved } from "./saved";
import type { Change, SearchState } from "./state";

/** What people of this app look for again: opened, added to the query at hand, saved, deleted. */
export function SavedSearches({ state, change }: { state: SearchState; change: Change }) {
  const [open, setOpen] = useState(false);
  const { data, error } = useSaved(open);
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
        {problem && (
          <p className="problem" role="alert">
            {asApiError(problem).message}
          </p>
        )}
        {!data && !error && <Skeleton lines={3} />}
        {data?.length === 0 && <p className="note">None yet. What you save here, all who read this app see.</p>}
        <ul>
          {data?.map((saved) => (
            <Saved
              key={saved.id}
              saved={saved}
              onOpen={() => choose(opened(saved))}
              onJoin={() => choose({ query: joined(state, saved) })}
              onReplace={() => replacing.mutate({ saved, state })}
              onRemove={() => removing.mutate(saved)}
            />
          ))}
        </ul>
        <SaveForm state={state} />
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
  onOpen: () => void;
  onJoin: () => void;
  onReplace: () => void;
  onRemove: () => void;
}

function Saved({ saved, onOpen, onJoin, onReplace, onRemove }: SavedProps) {
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
    </li>
  );
}

function SaveForm({ state }: { state: SearchState }) {
  const [name, setName] = useState("");
  const saving = useChange(save);
  return (
    <form
      className="save-form"
      onSubmit={(event) => {
        event.preventDefault();
        saving.mutate({ name, state }, { onSuccess: () => setName("") });
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
      {saving.error && (
        <p className="problem" role="alert">
          {asApiError(saving.error).message}
        </p>
      )}
    </form>
  );
}
