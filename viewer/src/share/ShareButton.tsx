import { Suspense, useRef, useState } from "react";
import { useMayEdit } from "../api/may";
import { lazily } from "../ui/lazily";
import { NoShareDialog } from "./NoShareDialog";

const ShareDialog = lazily(() => import("./ShareDialog"), NoShareDialog);

export type Shown = { session: string } | { event: string };

/** Offers a link for people without an account, to who may make one. */
export function ShareButton({ shown }: { shown: Shown }) {
  const may = useMayEdit();
  const [open, setOpen] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  if (!may) return null;
  return (
    <>
      <button ref={button} type="button" className="small" aria-haspopup="dialog" onClick={() => setOpen(true)}>
        Share…
      </button>
      {open && (
        <Suspense>
          <ShareDialog
            shown={shown}
            onClose={() => {
              setOpen(false);
              button.current?.focus();
            }}
          />
        </Suspense>
      )}
    </>
  );
}
