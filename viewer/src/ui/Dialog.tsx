import { type ReactNode, useEffect, useId, useRef } from "react";
import { Icon } from "./Icon";
import { HoldsTyped } from "./SignInAgain";

interface Props {
  open: boolean;
  onClose: () => void;
  title: string;
  children: ReactNode;
}

/** A window over the page, the browser's own: focus stays in it, Escape closes it, the page behind is out of reach. */
export function Dialog({ open, onClose, title, children }: Props) {
  const element = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    if (open) element.current?.showModal();
    else element.current?.close();
  }, [open]);
  return (
    <dialog ref={element} className="dialog" aria-labelledby={id} onClose={onClose}>
      {open && (
        <HoldsTyped value={true}>
          <header className="dialog-head">
            <h2 id={id} className="dialog-title">
              {title}
            </h2>
            <button type="button" className="quiet icon-button" aria-label="Close" onClick={onClose}>
              <Icon name="close" />
            </button>
          </header>
          {children}
        </HoldsTyped>
      )}
    </dialog>
  );
}
