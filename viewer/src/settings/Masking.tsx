import { useState } from "react";
import { Failure } from "../ui/Notice";
import { Skeleton } from "../ui/Skeleton";
import { useRead } from "./change";
import { MaskingForm } from "./MaskingForm";
import type { SectionProps } from "./SettingsPage";
import { may } from "./sections";
import type { Masking as Found } from "./types";

/** What is replaced in events of an app before they are stored. */
export function Masking({ me, name: app }: SectionProps) {
  const path = `/api/v1/apps/${encodeURIComponent(app)}/masking`;
  const [saved, setSaved] = useState("");
  const { data, error, refetch } = useRead<Found>(path);
  if (error && !data) return <Failure error={error} onRetry={refetch} />;
  if (!data) return <Skeleton lines={10} />;
  const rules = JSON.stringify(data.rules);
  return (
    <MaskingForm
      key={`${data.version} ${rules}`}
      path={path}
      shown={data.rules}
      version={data.version}
      mayChange={may(me, "app", app, "admin")}
      wasSaved={saved === rules}
      onSaved={(now) => setSaved(JSON.stringify(now.rules))}
      onReload={refetch}
    />
  );
}
