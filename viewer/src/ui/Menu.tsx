import { createContext, type KeyboardEvent, type ReactNode, useContext, useId, useRef, useState } from "react";
import { placeUnder } from "./floating";

interface Props {
  trigger: ReactNode;
  label: string;
  children: ReactNode;
  className?: string;
}

const CloseMenu = createContext<() => void>(() => {});

/** A button that opens a list of actions or choices; arrow keys walk through it, Escape leaves it. */
export function Menu({ trigger, label, children, className = "quiet" }: Props) {
  const id = useId();
  const button = useRef<HTMLButtonElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState(false);
  const opened = () => {
    placeUnder(button.current!, content.current!);
    items(content.current!)[0]?.focus();
  };
  return (
    <>
      <button
        ref={button}
        type="button"
        className={className}
        aria-label={label}
        aria-haspopup="menu"
        aria-expanded={open}
        popoverTarget={id}
      >
        {trigger}
      </button>
      <div
        ref={content}
        id={id}
        popover="auto"
        role="menu"
        aria-label={label}
        className="menu"
        // Its items are there before it is seen, and go when it is: the focus has left them then.
        onBeforeToggle={(event) => event.newState === "open" && setOpen(true)}
        onToggle={(event) => (event.newState === "open" ? opened() : setOpen(false))}
        onKeyDown={walk}
      >
        {open && <CloseMenu value={() => content.current?.hidePopover()}>{children}</CloseMenu>}
      </div>
    </>
  );
}

function items(menu: HTMLElement): HTMLElement[] {
  return [...menu.querySelectorAll<HTMLElement>("[role^=menuitem]")];
}

/** Arrow keys, Home and End, and the first letter of an item. */
function walk(event: KeyboardEvent<HTMLElement>): void {
  const all = items(event.currentTarget);
  const at = all.indexOf(document.activeElement as HTMLElement);
  const step = { ArrowDown: at + 1, ArrowUp: at - 1 + all.length, Home: 0, End: all.length - 1 }[event.key];
  let next = step === undefined ? undefined : all[step % all.length];
  if (step === undefined && /^\S$/.test(event.key) && !event.ctrlKey && !event.metaKey)
    next = [...all.slice(at + 1), ...all].find((each) => begins(each, event.key));
  if (!next) return;
  event.preventDefault();
  next.focus();
}

function begins(item: HTMLElement, letter: string): boolean {
  return (item.textContent ?? "").trim().toLowerCase().startsWith(letter.toLowerCase());
}

/** What is done when it is chosen. `stay`: the menu stays open, for things that are chosen one after the other. */
export function MenuItem(props: { onSelect: () => void; stay?: boolean; children: ReactNode }) {
  const close = useContext(CloseMenu);
  const select = () => {
    if (!props.stay) close();
    props.onSelect();
  };
  return (
    <button type="button" role="menuitem" tabIndex={-1} className="menu-item" onClick={select}>
      {props.children}
    </button>
  );
}

export function MenuLink({ href, download, children }: { href: string; download?: boolean; children: ReactNode }) {
  const close = useContext(CloseMenu);
  return (
    <a
      role="menuitem"
      tabIndex={-1}
      className="menu-item"
      href={href}
      onClick={close}
      {...(download ? { download: "" } : {})}
    >
      {children}
    </a>
  );
}

interface ChoiceProps<Value extends string> {
  label: string;
  value: Value;
  choices: readonly (readonly [Value, string])[];
  onChoose: (value: Value) => void;
}

export function MenuChoice<Value extends string>({ label, value, choices, onChoose }: ChoiceProps<Value>) {
  return (
    <fieldset aria-label={label} className="menu-group">
      <p className="menu-label">{label}</p>
      {choices.map(([each, name]) => (
        <button
          key={each}
          type="button"
          role="menuitemradio"
          aria-checked={each === value}
          tabIndex={-1}
          className="menu-item"
          onClick={() => onChoose(each)}
        >
          <span className="menu-tick">{each === value && "✓"}</span>
          {name}
        </button>
      ))}
    </fieldset>
  );
}

/** Something that is so or not; the menu stays open to show it. */
export function MenuCheck(props: { checked: boolean; onChange: (checked: boolean) => void; children: ReactNode }) {
  return (
    <button
      type="button"
      role="menuitemcheckbox"
      aria-checked={props.checked}
      tabIndex={-1}
      className="menu-item"
      onClick={() => props.onChange(!props.checked)}
    >
      <span className="menu-tick">{props.checked && "✓"}</span>
      {props.children}
    </button>
  );
}

export const MenuLine = () => <hr className="menu-line" />;
