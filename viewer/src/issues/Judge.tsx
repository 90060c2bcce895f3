import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { asApiError, send } from "../api/client";
import type { IssueAnswer } from "../api/types";
import { useShortcuts } from "../app/keys";
import { Notice } from "../ui/Notice";

type Status = "open" | "resolved" | "muted";

/** What a person says about an issue; of two at once the second sees what the first has said. */
export function Judge({ issue }: { issue: IssueAnswer }) {
  const client = useQueryClient();
  const [version, setVersion] = useState(issue.resolved_in);
  const path = `/api/v1/issues/${encodeURIComponent(issue.issue)}`;
  const refresh = () => {
    void client.invalidateQueries({ queryKey: ["issue", issue.issue] });
    void client.invalidateQueries({ queryKey: ["issues"] });
  };
  const judged = useMutation({
    mutationFn: (status: Status) =>
      send<IssueAnswer>("PATCH", path, {
        revision: issue.revision,
        status,
        resolved_in: status === "resolved" ? version.trim() : "",
      }),
    onSuccess: (now) => {
      client.setQueryData(["issue", issue.issue], now);
      void client.invalidateQueries({ queryKey: ["issues"] });
    },
    onError: refresh,
  });
  const settled = issue.status === "resolved" || issue.status === "muted";
  const judge = (status: Status) => !judged.isPending && judged.mutate(status);
  useShortcuts("Issue", [
    { keys: "r", does: "it is resolved", run: () => issue.status !== "resolved" && judge("resolved") },
    { keys: "m", does: "mute it, or open it again", run: () => judge(settled ? "open" : "muted") },
  ]);
  const inVersion = issue.status === "resolved" ? issue.resolved_in : version.trim();
  const error = judged.error ? asApiError(judged.error) : null;
  return (
    <>
      <form
        className="judge"
        onSubmit={(event) => {
          event.preventDefault();
          judge("resolved");
        }}
      >
        {settled && (
          <button type="button" disabled={judged.isPending} onClick={() => judge("open")}>
            Open again
          </button>
        )}
        {issue.status !== "resolved" && (
          <>
            <button type="submit" className="primary" disabled={judged.isPending}>
              Resolve
            </button>
            <label>
              <span className="note">in version</span>{" "}
              <input
                value={version}
                maxLength={192}
                placeholder="any, from now on"
                autoComplete="off"
                spellCheck={false}
                onChange={(event) => setVersion(event.target.value)}
              />
            </label>
          </>
        )}
        {!settled && (
          <button type="button" disabled={judged.isPending} onClick={() => judge("muted")}>
            Mute
          </button>
        )}
        <span className="note">
          {issue.status === "muted"
            ? "Muted: it is counted and not listed among the open ones."
            : `Resolved, it comes back as regressed when it happens ${inVersion ? "in that version or a newer one" : "again"}.`}
        </span>
      </form>
      {error && (
        <Notice
          kind="error"
          title={error.status === 409 ? "Somebody else has changed this issue meanwhile" : error.message}
        >
          <p>{error.status === 409 ? "It is shown as it is now: decide again." : error.advice}</p>
        </Notice>
      )}
    </>
  );
}
