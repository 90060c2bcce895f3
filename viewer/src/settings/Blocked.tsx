import { useState } from "react";
import { send } from "../api/client";
import { usePreferences } from "../app/preferences";
import { count } from "../text/numbers";
import { Name } from "../text/Shown";
import { ago, minute } from "../time/format";
import { Failure } from "../ui/Notice";
import { Skeleton } from "../ui/Skeleton";
import { BlockForm, type Source } from "./BlockForm";
import { useChange, useRead } from "./change";
import { Confirm, Table, useOpen } from "./parts";
import type { SectionProps } from "./SettingsPage";
import { may } from "./sections";
import type { Block, Refused } from "./types";

const WHY = {
  day: "over a day's limit",
  second: "over a limit a second",
  blocked: "blocked",
  key: "without a valid key",
} as const;

/** What is not listened to, and who was refused. */
export function Blocked({ me, name: app }: SectionProps) {
  const mayChange = may(me, "app", app, "admin");
  const [source, setSource] = useState<Source>({ kind: "component", value: "" });
  return (
    <>
      <Blocks app={app} mayChange={mayChange} />
      {mayChange && <BlockForm key={`${source.kind} ${source.value}`} app={app} first={source} />}
      <WhoWasRefused app={app} onBlock={mayChange ? setSource : undefined} />
    </>
  );
}

function Blocks({ app, mayChange }: { app: string; mayChange: boolean }) {
  const { zone } = usePreferences();
  const lifting = useOpen<Block>();
  const { data, error, refetch } = useRead<{ blocks: Block[] }>("/api/v1/blocks", { app });
  if (error && !data) return <Failure error={error} onRetry={refetch} />;
  if (!data) return <Skeleton lines={6} />;
  return (
    <section className="card">
      <h2>Blocked by people</h2>
      {data.blocks.length === 0 && <p className="note">Nothing is blocked.</p>}
      {data.blocks.length > 0 && (
        <Table label="Blocks" head={["what", "reason", "since", "by", "until", ""]}>
          {data.blocks.map((block) => (
            <tr key={block.block} className={block.state === "ended" ? "is-over" : undefined}>
              <td className="name">
                <span className="note">{block.kind}</span> <Name text={block.value} />
              </td>
              <td>
                <Name text={block.reason} />
              </td>
              <td className="when">{minute(block.made, zone)}</td>
              <td>
                <Name text={block.made_by} />
              </td>
              <td className="when">
                {block.expires ? minute(block.expires, zone) : "somebody lifts it"}
                {block.state === "ended" && <div>has ended</div>}
              </td>
              <td className="acts">
                {mayChange && block.state === "in_force" && (
                  <button type="button" className="small" onClick={() => lifting.open(block)}>
                    Lift
                  </button>
                )}
              </td>
            </tr>
          ))}
        </Table>
      )}
      {lifting.thing && <Lift app={app} block={lifting.thing} onClose={lifting.close} />}
    </section>
  );
}

function Lift({ app, block, onClose }: { app: string; block: Block; onClose: () => void }) {
  const lifting = useChange(() => send("DELETE", `/api/v1/blocks/${block.block}`, undefined, { app }));
  return (
    <Confirm
      open
      title={`Listen to ${block.value} again?`}
      action="Lift the block"
      onClose={onClose}
      onConfirm={() => lifting.run(undefined, onClose)}
      isRunning={lifting.isRunning}
      error={lifting.error}
    >
      <p>
        It was blocked by {block.made_by}: {block.reason}. What it sends is taken again within seconds; what was left
        out meanwhile is lost.
      </p>
    </Confirm>
  );
}

function WhoWasRefused({ app, onBlock }: { app: string; onBlock: ((source: Source) => void) | undefined }) {
  const { data, error, refetch } = useRead<{ blocked: Refused[] }>("/api/v1/blocked", { app, from: "-24h" });
  const now = Date.now();
  return (
    <section className="card">
      <h2>
        Who was refused <span className="note">in the last 24 hours, those refused most first</span>
      </h2>
      {error && <Failure error={error} onRetry={refetch} />}
      {data?.blocked.length === 0 && <p className="note">Nobody.</p>}
      {data && data.blocked.length > 0 && (
        <Table label="Who was refused" head={["who", "why", "events", "last", ""]}>
          {data.blocked.map((row) => (
            <tr key={`${row.kind} ${row.source} ${row.why}`}>
              <td className="name">
                <span className="note">{row.kind}</span> <Name text={row.source} />
              </td>
              <td>{WHY[row.why]}</td>
              <td className="number">{count(row.events)}</td>
              <td className="when">{ago(row.last, now)}</td>
              <td className="acts">
                {onBlock && row.kind !== "app" && row.why !== "blocked" && row.source !== "(other)" && (
                  <button
                    type="button"
                    className="small"
                    onClick={() => onBlock({ kind: row.kind as Source["kind"], value: row.source })}
                  >
                    Block…
                  </button>
                )}
              </td>
            </tr>
          ))}
        </Table>
      )}
    </section>
  );
}
