import { Link, Redirect, useLocation, useParams, useSearch } from "wouter";
import { type Me, useMe } from "../api/me";
import { told } from "../api/told";
import { Empty, Failure } from "../ui/Notice";
import { Skeleton } from "../ui/Skeleton";
import { Apps } from "./Apps";
import { Audit } from "./Audit";
import { Blocked } from "./Blocked";
import { Keys } from "./Keys";
import { Limits } from "./Limits";
import { Masking } from "./Masking";
import { Members } from "./Members";
import { Chooser } from "./parts";
import { SharedLinks } from "./SharedLinks";
import { placesWith, type Section, type SectionPath, sectionsOf } from "./sections";
import { Tokens } from "./Tokens";
import "../styles/settings.css";

export interface SectionProps {
  me: Me;
  /** The app or the team that it is about. */
  name: string;
}

const PARTS: Record<SectionPath, (props: SectionProps) => React.ReactNode> = {
  apps: Apps,
  keys: Keys,
  limits: Limits,
  masking: Masking,
  blocked: Blocked,
  shares: SharedLinks,
  members: Members,
  tokens: Tokens,
  audit: Audit,
};

/** What is set for apps and teams, as far as who looks may see it. Section, app and team stand in the address. */
export default function SettingsPage() {
  const { data: me, error, refetch } = useMe();
  if (error && !me) return <Failure error={error} onRetry={refetch} />;
  if (!me) return <Skeleton lines={12} label="loading the settings" />;
  return <Settings me={me} />;
}

function Settings({ me }: { me: Me }) {
  const path = useParams()["*"] ?? "";
  const sections = sectionsOf(me);
  const section = sections.find((each) => each.path === path);
  if (!path && sections[0]) return <Redirect to={`/settings/${sections[0].path}`} replace />;
  if (!section && !(path in PARTS))
    return (
      <Empty isPage title="There is no such page">
        <p>
          The settings have none at this address. <Link href="/settings">See those that there are</Link>
        </p>
      </Empty>
    );
  if (!section)
    return (
      <Empty isPage title="There is nothing here for you">
        <p>It may need a role that you have not; an admin of your team can give it to you.</p>
      </Empty>
    );
  return <Shown me={me} section={section} sections={sections} />;
}

function Shown({ me, section, sections }: { me: Me; section: Section; sections: Section[] }) {
  const given = new URLSearchParams(useSearch());
  const [, go] = useLocation();
  const among = placesWith(me, section.of, section.scope);
  const wanted = given.get(section.of) ?? (section.of === "app" ? told.app : "");
  const name = among.includes(wanted) ? wanted : (among[0] ?? "");
  const Part = PARTS[section.path as SectionPath];
  return (
    <div className="page settings">
      <nav className="settings-nav" aria-label="settings">
        {(["app", "team"] as const).map((of) => (
          <Links key={of} of={of} sections={sections} current={section} given={given} />
        ))}
      </nav>
      <div className="settings-main">
        <div className="page-head">
          <h1>{section.name}</h1>
          <span className="push" />
          {name && (
            <Chooser
              label={section.of}
              value={name}
              among={among}
              onChoose={(chosen) => go(`/settings/${section.path}?${section.of}=${encodeURIComponent(chosen)}`)}
            />
          )}
        </div>
        <Part key={`${section.path} ${name}`} me={me} name={name} />
      </div>
    </div>
  );
}

interface LinksProps {
  of: "app" | "team";
  sections: Section[];
  current: Section;
  given: URLSearchParams;
}

/** The same app or team goes on in the next section. */
function Links({ of, sections, current, given }: LinksProps) {
  const name = given.get(of);
  const kept = name ? `?${of}=${encodeURIComponent(name)}` : "";
  const own = sections.filter((section) => section.of === of);
  if (own.length === 0) return null;
  return (
    <>
      <p className="menu-label">{of === "app" ? "An app" : "A team"}</p>
      {own.map((section) => (
        <Link
          key={section.path}
          href={`/settings/${section.path}${kept}`}
          aria-current={section === current ? "page" : undefined}
        >
          {section.name}
        </Link>
      ))}
    </>
  );
}
