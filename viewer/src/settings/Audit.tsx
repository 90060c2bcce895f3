import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useLocation, useSearch } from "wouter";
import { address, ask } from "../api/client";
import { usePreferences } from "../app/preferences";
import { Name, Shown } from "../text/Shown";
import { dateTime } from "../time/format";
import { TimePicker } from "../time/TimePicker";
import { Menu, MenuLink } from "../ui/Menu";
import { Empty, Failure } from "../ui/Notice";
import { ShowMore } from "../ui/ShowMore";
import { Skeleton } from "../ui/Skeleton";
import { useRead } from "./change";
import { Table } from "./parts";
import type { SectionProps } from "./SettingsPage";
import { may } from "./sections";
import type { AuditEntry, AuditPage, Member } from "./types";

const PATH = "/api/v1/audit";
const LIMIT = 100;
/** What people look for; any other kind can be typed. */
const KINDS = (
  "read.search read.export read.session read.event read.tail sign_in.done sign_in.failed key.created key.rotated " +
  "key.revoked token.created token.revoked invitation.created member.changed member.removed app.created app.changed"
).split(" ");

/** Who did what in a team, newest first; what is looked for stands in the address. */
export function Audit({ me, name: team }: SectionProps) {
  const { zone } = usePreferences();
  const given = new URLSearchParams(useSearch());
  const [, go] = useLocation();
  const [what, who, app] = ["what", "who", "in"].map((name) => given.get(name) ?? "") as [string, string, string];
  const range = { from: given.get("from") ?? "", to: given.get("to") ?? "" };
  const found = useEntries({ team, what, who, app, ...range });
  const members = useRead<{ members: Member[] }>("/api/v1/members", { team }, may(me, "team", team, "edit"));
  const choose = (changed: Record<string, string>) => {
    given.set("team", team);
    for (const [name, value] of Object.entries(changed))
      if (value) given.set(name, value);
      else given.delete(name);
    go(`/settings/audit?${given}`, { replace: true });
  };
  return (
    <>
      <div className="filters">
        <KindInput key={what} what={what} onChoose={(chosen) => choose({ what: chosen })} />
        <label>
          who{" "}
          <select value={who} onChange={(event) => choose({ who: event.target.value })}>
            <option value="">anybody</option>
            {who && !members.data?.members.some(({ person }) => person === who) && <option>{who}</option>}
            {members.data?.members.map((member) => (
              <option key={member.person} value={member.person}>
                {member.email}
              </option>
            ))}
          </select>
        </label>
        <label>
          app{" "}
          <select value={app} onChange={(event) => choose({ in: event.target.value })}>
            <option value="">all</option>
            {me.apps
              .filter((each) => each.team === team)
              .map((each) => (
                <option key={each.app}>{each.app}</option>
              ))}
          </select>
        </label>
        <TimePicker range={range} onChange={(chosen) => choose({ from: chosen.from, to: chosen.to })} />
        <Menu label="Export the audit log" className="small" trigger="export">
          {["NDJSON", "CSV"].map((form) => (
            <MenuLink
              key={form}
              href={address(`${PATH}/export`, { team, app, who, what, ...range, format: form.toLowerCase() })}
              download
            >
              All of these entries as {form}
            </MenuLink>
          ))}
        </Menu>
      </div>
      {found.error && !found.rows ? (
        <Failure error={found.error} onRetry={found.refetch} />
      ) : !found.rows ? (
        <Skeleton lines={14} />
      ) : found.rows.length === 0 ? (
        <Empty title="No entry">
          <p>Nothing of this kind was done in this range, or it is older than the log is kept.</p>
        </Empty>
      ) : (
        <>
          <Table label="Audit log" head={["time", "who and from where", "what", "app", "to what", "detail"]}>
            {found.rows.map((entry) => (
              <Entry key={entry.id} entry={entry} time={dateTime(entry.time, zone)} onChoose={choose} />
            ))}
          </Table>
          <ShowMore of={found} />
        </>
      )}
    </>
  );
}

interface Wanted {
  team: string;
  what: string;
  who: string;
  app: string;
  from: string;
  to: string;
}

function useEntries(wanted: Wanted) {
  const found = useInfiniteQuery({
    queryKey: ["settings", PATH, wanted],
    initialPageParam: null as string | null,
    queryFn: ({ pageParam, signal }) => ask<AuditPage>(PATH, { ...wanted, limit: LIMIT, cursor: pageParam }, signal),
    getNextPageParam: (last) => last.next,
    placeholderData: (before) => before,
  });
  return { ...found, rows: found.data?.pages.flatMap((page) => page.audit) };
}

function KindInput({ what, onChoose }: { what: string; onChoose: (what: string) => void }) {
  const [typed, setTyped] = useState(what);
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        onChoose(typed.trim());
      }}
    >
      <label>
        what{" "}
        <input
          list="kinds-of-entries"
          placeholder="anything"
          value={typed}
          onChange={(event) => {
            setTyped(event.target.value);
            if (KINDS.includes(event.target.value) || !event.target.value) onChoose(event.target.value);
          }}
        />
      </label>
      <datalist id="kinds-of-entries">
        {KINDS.map((kind) => (
          <option key={kind} value={kind} />
        ))}
      </datalist>
    </form>
  );
}

interface EntryProps {
  entry: AuditEntry;
  time: string;
  onChoose: (changed: Record<string, string>) => void;
}

function Entry({ entry, time, onChoose }: EntryProps) {
  const detail = Object.entries(entry.detail).filter(([, value]) => value !== "" && value !== null);
  return (
    <tr>
      <td className="when">{time}</td>
      <td>
        <button
          type="button"
          className="bare"
          title={`only what ${entry.who_name} did`}
          disabled={!entry.who}
          onClick={() => onChoose({ who: entry.who })}
        >
          <Name text={entry.who_name || entry.who || "nobody known"} />
        </button>
        {entry.ip && <div className="note one-line">{entry.ip}</div>}
      </td>
      <td>
        <button type="button" className="bare" title="only of this kind" onClick={() => onChoose({ what: entry.what })}>
          {entry.what}
        </button>
      </td>
      <td className="one-line">{entry.app}</td>
      <td className="name what">
        <Name text={entry.target} />
      </td>
      <td className="detail">
        {detail.map(([name, value]) => (
          <div key={name}>
            <span className="note">{name}</span>{" "}
            <Shown text={typeof value === "string" ? value : JSON.stringify(value)} />
          </div>
        ))}
      </td>
    </tr>
  );
}
