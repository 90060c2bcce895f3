/** What the forms of the account are made of. */
import { type InputHTMLAttributes, type ReactNode, useEffect, useId, useRef, useState } from "react";

type Rest = Omit<InputHTMLAttributes<HTMLInputElement>, "onChange" | "value" | "id">;

interface FieldProps extends Rest {
  label: string;
  value: string;
  onValue: (value: string) => void;
  /** What it takes. */
  hint?: string;
  /** Gets the focus when it appears: the next thing to do after what somebody has just asked for. */
  isNext?: boolean;
  /** Behind the input, on its line. */
  beside?: ReactNode;
}

export function Field({ label, value, onValue, hint, isNext = false, beside, ...rest }: FieldProps) {
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (isNext) input.current?.focus();
  }, [isNext]);
  return (
    <div className="account-field">
      <label htmlFor={id}>{label}</label>
      <div className="account-line">
        <input
          {...rest}
          ref={input}
          id={id}
          value={value}
          {...(hint ? { "aria-describedby": `${id}-hint` } : {})}
          onChange={(event) => onValue(event.target.value)}
        />
        {beside}
      </div>
      {hint && (
        <p className="note" id={`${id}-hint`}>
          {hint}
        </p>
      )}
    </div>
  );
}

interface PasswordProps {
  label: string;
  value: string;
  onValue: (value: string) => void;
  isNew?: boolean;
  isNext?: boolean;
}

export const PASSWORD_CHARS_MIN = 10; // src/logkeep/metastore/passwords.py

/** A password, which can be looked at while it is typed. */
export function PasswordField({ label, value, onValue, isNew = false, isNext = false }: PasswordProps) {
  const [shown, setShown] = useState(false);
  return (
    <Field
      label={label}
      type={shown ? "text" : "password"}
      autoComplete={isNew ? "new-password" : "current-password"}
      autoCapitalize="none"
      spellCheck={false}
      required
      isNext={isNext}
      {...(isNew ? { minLength: PASSWORD_CHARS_MIN, hint: `${PASSWORD_CHARS_MIN} characters at least.` } : {})}
      value={value}
      onValue={onValue}
      beside={
        <button
          type="button"
          aria-pressed={shown}
          aria-label={`Show: ${label}`}
          title="show what is typed"
          onClick={() => setShown(!shown)}
        >
          {shown ? "hide" : "show"}
        </button>
      }
    />
  );
}

/** For password managers: whose password it is that a form asks for. */
export function Whose({ email }: { email: string }) {
  return <input type="email" autoComplete="username" value={email} readOnly hidden />;
}

/** What has been done, said to everybody. */
export function Done({ children }: { children: ReactNode }) {
  return (
    <p className="account-done" role="status">
      {children}
    </p>
  );
}
