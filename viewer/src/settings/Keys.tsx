import { useState } from "react";
import { send } from "../api/client";
import { usePreferences } from "../app/preferences";
import { Name } from "../text/Shown";
import { minute } from "../time/format";
import { Empty, Failure } from "../ui/Notice";
import { Skeleton } from "../ui/Skeleton";
import { useChange, useRead } from "./change";
import { EditKey, NewKeyForm, RotateKey } from "./KeyForms";
import { MadeKey } from "./MadeKey";
import { Confirm, Table, useOpen } from "./parts";
import type { SectionProps } from "./SettingsPage";
import type { App, Key, NewKey } from "./types";

/** The write keys of an app; one that was just made, with what to paste to use it. */
export function Keys({ name: app }: SectionProps) {
  const path = `/api/v1/apps/${encodeURIComponent(app)}/keys`;
  const [made, setMade] = useState<NewKey | null>(null);
  const { data, error, refetch } = useRead<{ keys: Key[] }>(path);
  const about = useRead<App>(`/api/v1/apps/${encodeURIComponent(app)}`);
  if (error && !data) return <Failure error={error} onRetry={refetch} />;
  if (!data) return <Skeleton lines={8} />;
  return (
    <>
      {about.data?.archived && (
        <p className="partial" role="status">
          This app is archived: its keys are refused until it is taken up again, at Apps.
        </p>
      )}
      {made && <MadeKey key={made.key} made={made} onDone={() => setMade(null)} />}
      {data.keys.length === 0 ? (
        <Empty title="No key yet">
          <p>A key sends events into {app} and does nothing else. Make one below to begin.</p>
        </Empty>
      ) : (
        <KeyTable keys={data.keys} path={path} onMade={setMade} />
      )}
      <NewKeyForm path={path} onMade={setMade} />
    </>
  );
}

function KeyTable({ keys, path, onMade }: { keys: Key[]; path: string; onMade: (key: NewKey) => void }) {
  const { zone } = usePreferences();
  const editing = useOpen<Key>();
  const rotating = useOpen<Key>();
  const revoking = useOpen<Key>();
  return (
    <>
      <Table label="Write keys" head={["name", "begins with", "good for", "made", "last used", "ends", ""]}>
        {keys.map((key) => (
          <tr key={key.key}>
            <td className="name">
              <Name text={key.name} />
            </td>
            <td>
              <code>{key.prefix}…</code>
            </td>
            <td>
              {key.origins.length === 0
                ? "whoever has it"
                : key.origins.map((origin) => <div key={origin}>{origin}</div>)}
            </td>
            <td className="when">{minute(key.made, zone)}</td>
            <td className="when">{key.used ?? "never"}</td>
            <td className="when">{key.expires ? minute(key.expires, zone) : "never"}</td>
            <td className="acts">
              <button type="button" className="small" onClick={() => editing.open(key)}>
                Change
              </button>
              <button type="button" className="small" onClick={() => rotating.open(key)}>
                Rotate
              </button>
              <button type="button" className="small" onClick={() => revoking.open(key)}>
                Revoke
              </button>
            </td>
          </tr>
        ))}
      </Table>
      {editing.thing && <EditKey path={path} shown={editing.thing} onClose={editing.close} />}
      {rotating.thing && <RotateKey path={path} shown={rotating.thing} onClose={rotating.close} onMade={onMade} />}
      {revoking.thing && <RevokeKey path={path} shown={revoking.thing} onClose={revoking.close} />}
    </>
  );
}

function RevokeKey({ path, shown, onClose }: { path: string; shown: Key; onClose: () => void }) {
  const revoking = useChange(() => send("DELETE", `${path}/${shown.key}`));
  return (
    <Confirm
      open
      title={`Revoke the key “${shown.name}”?`}
      action="Revoke it"
      onClose={onClose}
      onConfirm={() => revoking.run(undefined, onClose)}
      isRunning={revoking.isRunning}
      error={revoking.error}
    >
      <p>
        Whatever still sends with <code>{shown.prefix}…</code> is refused within seconds, and what it sends is lost
        unless it keeps it. This cannot be taken back. Events that came with it stay.
      </p>
      <p className="note">To change over without loss, rotate the key instead: the old one goes on for a while.</p>
    </Confirm>
  );
}
