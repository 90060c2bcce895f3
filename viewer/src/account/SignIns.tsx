import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { ask, send } from "../api/client";
import type { components } from "../api/schema";
import { usePreferences } from "../app/preferences";
import { Name } from "../text/Shown";
import { ago, dateTime, minute } from "../time/format";
import { Failure } from "../ui/Notice";
import { Skeleton } from "../ui/Skeleton";
import { browserOf } from "./browsers";

type SignIn = components["schemas"]["me_SignInAnswer"];

/** Browsers in which one is signed in; each can be ended, or all. */
export function SignIns() {
  const client = useQueryClient();
  const { data, error, refetch } = useQuery({
    queryKey: ["sign-ins"],
    queryFn: ({ signal }) => ask<{ sign_ins: SignIn[] }>("/api/v1/me/sign-ins", {}, signal),
  });
  const ending = useMutation({
    mutationFn: (id: string) => send("DELETE", `/api/v1/me/sign-ins/${encodeURIComponent(id)}`),
    onSettled: () => client.invalidateQueries({ queryKey: ["sign-ins"] }),
  });
  if (error && !data) return <Failure error={error} onRetry={refetch} />;
  if (!data) return <Skeleton lines={3} label="loading where you are signed in" />;
  return (
    <>
      {ending.error && <Failure error={ending.error} />}
      <ul className="account-list">
        {data.sign_ins.map((one) => (
          <Row key={one.id} one={one} onEnd={() => ending.mutate(one.id)} />
        ))}
      </ul>
      <Everywhere />
    </>
  );
}

function Row({ one, onEnd }: { one: SignIn; onEnd: () => void }) {
  const { zone } = usePreferences();
  const name = browserOf(one.agent);
  return (
    <li>
      <div>
        <p title={one.agent}>
          <Name text={name} />
        </p>
        <p className="note">
          used <time title={dateTime(one.used, zone)}>{ago(one.used, Date.now())}</time>, since {minute(one.made, zone)}
          , from <Name text={one.address} />
        </p>
      </div>
      {one.current ? (
        <span className="note">this browser</span>
      ) : (
        <button type="button" className="small" aria-label={`End it: ${name}`} onClick={onEnd}>
          End it
        </button>
      )}
    </li>
  );
}

function Everywhere() {
  const [sure, setSure] = useState(false);
  const leaving = useMutation({
    mutationFn: () => send("DELETE", "/api/v1/me/sign-ins"),
    onSuccess: () => location.assign("/sign-in?after=everywhere"),
  });
  return (
    <>
      {leaving.error && <Failure error={leaving.error} />}
      <p className="account-acts">
        <button type="button" disabled={leaving.isPending} onClick={() => (sure ? leaving.mutate() : setSure(true))}>
          {sure ? "Sign out here too: go on?" : "Sign out everywhere"}
        </button>
      </p>
    </>
  );
}
