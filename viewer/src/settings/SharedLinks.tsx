import { send } from "../api/client";
import { usePreferences } from "../app/preferences";
import { Name } from "../text/Shown";
import { minute } from "../time/format";
import { Failure } from "../ui/Notice";
import { Skeleton } from "../ui/Skeleton";
import { useChange, useRead } from "./change";
import { Confirm, Table, useOpen } from "./parts";
import type { SectionProps } from "./SettingsPage";
import type { Share } from "./types";

/** The links in force that show something of an app to people without an account. */
export function SharedLinks({ name: app }: SectionProps) {
  const { zone } = usePreferences();
  const ending = useOpen<Share>();
  const { data, error, refetch } = useRead<{ shares: Share[] }>("/api/v1/shares", { app });
  if (error && !data) return <Failure error={error} onRetry={refetch} />;
  if (!data) return <Skeleton lines={6} />;
  return (
    <section className="card">
      <h2>
        In force <span className="note">whoever has such a link sees that session or event, without an account</span>
      </h2>
      {data.shares.length === 0 && (
        <p className="note">None. The page of a session or an event has a button for it: Share.</p>
      )}
      {data.shares.length > 0 && (
        <Table label="Shared links" head={["shows", "who it was", "made", "by", "ends", ""]}>
          {data.shares.map((share) => (
            <tr key={share.share}>
              <td className="name">
                <span className="note">{share.session ? "session" : "event"}</span>{" "}
                <Name text={share.session ?? share.event ?? ""} />
              </td>
              <td>{share.redact ? "left out" : "shown"}</td>
              <td className="when">{minute(share.made, zone)}</td>
              <td>
                <Name text={share.made_by} />
              </td>
              <td className="when">
                {minute(share.expires, zone)}
                {share.paused && (
                  <div className="note">
                    paused, it shows nothing: its maker is disabled, or may share nothing of this app
                  </div>
                )}
              </td>
              <td className="acts">
                <button type="button" className="small" onClick={() => ending.open(share)}>
                  End now
                </button>
              </td>
            </tr>
          ))}
        </Table>
      )}
      {ending.thing && <End app={app} share={ending.thing} onClose={ending.close} />}
    </section>
  );
}

function End({ app, share, onClose }: { app: string; share: Share; onClose: () => void }) {
  const ending = useChange(() => send("DELETE", `/api/v1/shares/${share.share}`, undefined, { app }));
  return (
    <Confirm
      open
      title="End this link?"
      action="End the link"
      onClose={onClose}
      onConfirm={() => ending.run(undefined, onClose)}
      isRunning={ending.isRunning}
      error={ending.error}
    >
      <p>
        It shows nothing of {share.session ?? share.event} any more, at once. What somebody has seen or kept of it stays
        theirs.
      </p>
    </Confirm>
  );
}
