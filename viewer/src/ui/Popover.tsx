import { type ReactNode, useEffect, useId, useRef } from "react";
import { placeUnder } from "./floating";
import { HoldsTyped } from "./SignInAgain";

interface Props {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  trigger: ReactNode;
  triggerClass?: string;
  label: string;
  children: ReactNode;
}

/** A small window at a button: Escape and a click elsewhere close it, and the focus goes back to the button. */
export function Popover({ open, onOpenChange, trigger, triggerClass = "", label, children }: Props) {
  const id = useId();
  const button = useRef<HTMLButtonElement>(null);
  const content = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = content.current;
    if (!element) return;
    if (!open) return element.hidePopover();
    element.showPopover();
    placeUnder(button.current!, element);
    element.querySelector<HTMLElement>("button, input, select, a")?.focus();
  }, [open]);
  return (
    <>
      <button
        ref={button}
        type="button"
        className={triggerClass}
        aria-label={label}
        aria-haspopup="dialog"
        aria-expanded={open}
        popoverTarget={id}
      >
        {trigger}
      </button>
      <div
        ref={content}
        id={id}
        popover="auto"
        role="dialog"
        aria-label={label}
        className="popover"
        onToggle={(event) => onOpenChange(event.newState === "open")}
      >
        <HoldsTyped value={true}>{open && children}</HoldsTyped>
      </div>
    </>
  );
}
