import { createContext, useContext, useEffect, useState } from "react";
import { onSignedIn, SIGN_IN_BESIDE } from "../api/signedIn";

/** True where something is typed that a change of page would lose: in dialogs, small windows and forms. */
export const HoldsTyped = createContext(false);

/** The way back after a sign-in has ended: here, or in a tab beside where something was typed. */
export function SignInAgain() {
  const holds = useContext(HoldsTyped);
  const [again, setAgain] = useState(false);
  useEffect(() => (holds ? onSignedIn(() => setAgain(true)) : undefined), [holds]);
  if (again)
    return <span role="status">You are signed in again. What you typed is still here: send it once more.</span>;
  if (holds)
    return (
      <>
        <a href={SIGN_IN_BESIDE} target="_blank" rel="noopener">
          Sign in again in a new tab
        </a>
        ; what you typed stays here.
      </>
    );
  return <a href={`/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`}>Sign in again</a>;
}
