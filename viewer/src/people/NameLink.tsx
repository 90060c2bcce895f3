import { Link } from "wouter";
import { Name } from "../text/Shown";
import { plain } from "../text/symbols";

/** The way to somebody's page in a list: one line, however long the name; all of it is in the tip. */
export function NameLink({ href, name }: { href: string; name: string }) {
  return (
    <Link className="cut" href={href} title={plain(name)}>
      <Name text={name} />
    </Link>
  );
}
