import type { ReactNode } from "react";
import { type Me, useMe } from "../api/me";
import { Name } from "../text/Shown";
import { Failure } from "../ui/Notice";
import { HoldsTyped } from "../ui/SignInAgain";
import { Skeleton } from "../ui/Skeleton";
import { Looks } from "./Looks";
import { OwnTokens } from "./OwnTokens";
import { NameForm, PasswordForm } from "./Person";
import { SecondFactor } from "./SecondFactor";
import { SignIns } from "./SignIns";

/** One's own account: who one is, how one signs in and where, what reads in one's name, how it looks. */
export default function AccountPage() {
  const { data: me, error, refetch } = useMe();
  return (
    <div className="page account">
      <div className="page-head">
        <h1>Your account</h1>
        {me?.kind === "person" && (
          <span className="note">
            <Name text={me.email ?? ""} />
          </span>
        )}
      </div>
      {error && !me && <Failure error={error} onRetry={refetch} />}
      {!error && !me && <Skeleton lines={12} />}
      {me && <Parts me={me} />}
    </div>
  );
}

function Parts({ me }: { me: Me }) {
  return (
    <HoldsTyped value={true}>
      {me.kind === "person" ? <OfPerson me={me} /> : <OfToken me={me} />}
      <Card title="How it looks, in this browser">
        <Looks />
      </Card>
      <Card title="What you may do">
        <May me={me} />
      </Card>
    </HoldsTyped>
  );
}

function OfPerson({ me }: { me: Me }) {
  return (
    <>
      <Card title="Name">
        <NameForm me={me} />
      </Card>
      <Card title="Password">
        <PasswordForm me={me} />
      </Card>
      <Card title="Second factor" aside={me.totp ? "on" : "off"}>
        <SecondFactor me={me} />
      </Card>
      <Card title="Where you are signed in">
        <SignIns />
      </Card>
      <Card title="Your API tokens">
        <OwnTokens me={me} />
      </Card>
    </>
  );
}

function OfToken({ me }: { me: Me }) {
  return (
    <Card title="Signed in with a token">
      <p>
        This browser reads with the token <Name text={me.name} />, which has no account. Sign out, and in with e-mail
        and password, to see yours.
      </p>
    </Card>
  );
}

function May({ me }: { me: Me }) {
  return (
    <ul className="account-list">
      {me.apps.map(({ app, title, team, scopes }) => (
        <li key={app}>
          <p>
            <Name text={title} /> <span className="note">in {team}</span>
          </p>
          <span className="note">{scopes.join(", ")}</span>
        </li>
      ))}
    </ul>
  );
}

interface CardProps {
  title: string;
  aside?: string;
  children: ReactNode;
}

function Card({ title, aside, children }: CardProps) {
  return (
    <section className="card" aria-label={title}>
      <h2>
        {title} {aside && <span className="note">{aside}</span>}
      </h2>
      {children}
    </section>
  );
}
