import { Link } from "wouter";
import { useMay } from "../api/may";
import { told } from "../api/told";

interface Props {
  /** What is missing: "one", "a first one". */
  what: string;
  path: string;
  body: string;
}

/** What to paste where an app has sent nothing yet, and where whoever looks gets a key for it. */
export function HowToSend({ what, path, body }: Props) {
  const mayKeys = useMay("keys");
  return (
    <>
      <p>
        Send {what} with a write key of the app <b>{told.app}</b>.{" "}
        {mayKeys ? (
          <>
            <Link href={`/settings/keys?app=${encodeURIComponent(told.app)}`}>Its settings</Link> make one, with what to
            paste for each kind of sender:
          </>
        ) : (
          "An admin of its team can give you one:"
        )}
      </p>
      <pre>{`curl http://${told.intake}${path} -H "Authorization: Bearer $WRITE_KEY" \\
  -d '${body}'`}</pre>
    </>
  );
}
