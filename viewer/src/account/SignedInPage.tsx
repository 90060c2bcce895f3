import { useEffect } from "react";
import { Link } from "wouter";
import { tellSignedIn } from "../api/signedIn";
import { Empty } from "../ui/Notice";

/** Where a sign-in beside another tab ends. */
export default function SignedInPage() {
  useEffect(tellSignedIn, []);
  return (
    <Empty title="You are signed in again">
      <p>Close this tab and go on in the other one: what you typed there is still there.</p>
      <p>
        Or <Link href="/">search</Link> here.
      </p>
    </Empty>
  );
}
