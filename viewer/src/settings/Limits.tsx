import { useState } from "react";
import { usePreferences } from "../app/preferences";
import { Name } from "../text/Shown";
import { minute } from "../time/format";
import { Failure } from "../ui/Notice";
import { Skeleton } from "../ui/Skeleton";
import { useRead } from "./change";
import { LimitsForm } from "./LimitsForm";
import type { SectionProps } from "./SettingsPage";
import { may } from "./sections";
import type { Limits as Found } from "./types";
import { UseCard } from "./UseCard";

/** What an app may send and how long it is kept, and how much of that is used. */
export function Limits({ me, name: app }: SectionProps) {
  const { zone } = usePreferences();
  const path = `/api/v1/apps/${encodeURIComponent(app)}/limits`;
  const { data, error, refetch } = useRead<Found>(path);
  const [saved, setSaved] = useState(0);
  if (error && !data) return <Failure error={error} onRetry={refetch} />;
  if (!data) return <Skeleton lines={12} />;
  const mayChange = may(me, "app", app, "admin");
  return (
    <>
      <UseCard limits={data} />
      <section className="card">
        <h2>
          Limits{" "}
          <span className="note">
            {data.changed && data.changed_by ? (
              <>
                changed {minute(data.changed, zone)} by <Name text={data.changed_by} />
              </>
            ) : (
              "as the settings of the service say"
            )}
          </span>
        </h2>
        {!mayChange && <p className="note">An admin of the app changes them.</p>}
        <LimitsForm
          key={data.version}
          path={path}
          shown={data}
          mayChange={mayChange}
          wasSaved={saved > 0 && saved === data.version}
          onSaved={setSaved}
          onReload={refetch}
        />
      </section>
    </>
  );
}
