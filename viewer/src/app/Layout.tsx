import { type ReactNode, useEffect, useRef, useState } from "react";
import { Link, useLocation, useSearch } from "wouter";
import { hasSettings, useMe } from "../api/me";
import { zoneName } from "../time/format";
import { Icon } from "../ui/Icon";
import { Menu, MenuChoice, MenuItem, MenuLine, MenuLink } from "../ui/Menu";
import { AppMenu } from "./AppMenu";
import { ErrorBoundary } from "./ErrorBoundary";
import { HelpDialog } from "./HelpDialog";
import { useShortcuts } from "./keys";
import { PLACES } from "./pages";
import { post } from "./post";
import { choose, usePreferences } from "./preferences";
import { titleOf } from "./title";

const LISTED = PLACES.filter((place) => place.name);

/** What every page has: where one can go, what one has chosen, who one is. */
export function Layout({ children }: { children: ReactNode }) {
  const [location, go] = useLocation();
  const [help, setHelp] = useState(false);
  const mayOpenSettings = hasSettings(useMe().data);
  const openSettings = mayOpenSettings ? () => go("/settings") : undefined;
  useShortcuts("Everywhere", [
    { keys: "?", does: "this list", run: () => setHelp(true) },
    ...LISTED.map((place) => ({
      keys: `g ${place.key}`,
      does: `go to ${place.name}`,
      run: () => go(place.path),
    })),
    { keys: "g a", does: "go to your account", run: () => go("/account") },
    ...(openSettings ? [{ keys: "g c", does: "go to Settings", run: openSettings }] : []),
  ]);
  const main = useNewPage(location);
  return (
    <>
      <a className="skip" href="#main">
        Skip to the page
      </a>
      <header className="top">
        <Link href="/" className="brand">
          <svg viewBox="0 0 16 16" aria-hidden="true">
            <path d="M2 2h12v2.5H2zM2 6.7h8v2.5H2zM2 11.5h11V14H2z" />
          </svg>
          Logkeep
        </Link>
        <nav className="places" aria-label="places">
          {LISTED.map((place) => (
            <Link key={place.path} href={place.path} aria-current={isHere(place.path, location) ? "page" : undefined}>
              {place.name}
            </Link>
          ))}
        </nav>
        <div className="places-narrow">
          <Menu trigger={<Icon name="menu" />} label="Places" className="quiet icon-button">
            {LISTED.map((place) => (
              <MenuItem key={place.path} onSelect={() => go(place.path)}>
                {place.name}
              </MenuItem>
            ))}
          </Menu>
        </div>
        <AppMenu />
        <Preferences onHelp={() => setHelp(true)} onSettings={openSettings} />
      </header>
      <main ref={main} id="main" tabIndex={-1}>
        <ErrorBoundary on={location}>{children}</ErrorBoundary>
      </main>
      <HelpDialog open={help} onClose={() => setHelp(false)} />
    </>
  );
}

/** Another place has another title, and the focus is there: what had it may be gone. */
function useNewPage(path: string) {
  const search = useSearch();
  const main = useRef<HTMLElement>(null);
  const before = useRef(path);
  useEffect(() => {
    document.title = titleOf(path, search, PLACES);
  }, [path, search]);
  useEffect(() => {
    if (before.current !== path && !main.current?.contains(document.activeElement))
      main.current?.focus({ preventScroll: true });
    before.current = path;
  }, [path]);
  return main;
}

function isHere(path: string, location: string): boolean {
  return path === "/" ? location === "/" : location.startsWith(path);
}

function Preferences({ onHelp, onSettings }: { onHelp: () => void; onSettings: (() => void) | undefined }) {
  const { theme, density, zone, clock } = usePreferences();
  const [, go] = useLocation();
  return (
    <Menu trigger={<Icon name="gear" />} label="Preferences" className="quiet icon-button">
      <MenuChoice
        label="Colours"
        value={theme}
        choices={[
          ["system", "as the system"],
          ["light", "light"],
          ["dark", "dark"],
        ]}
        onChoose={(chosen) => choose({ theme: chosen })}
      />
      <MenuLine />
      <MenuChoice
        label="Rows"
        value={density}
        choices={[
          ["compact", "compact"],
          ["cosy", "more space"],
        ]}
        onChoose={(chosen) => choose({ density: chosen })}
      />
      <MenuLine />
      <MenuChoice
        label="Times"
        value={zone}
        choices={[
          ["utc", "UTC"],
          ["local", `local, ${zoneName("local")}`],
        ]}
        onChoose={(chosen) => choose({ zone: chosen })}
      />
      <MenuLine />
      <MenuChoice
        label="Clock of rows"
        value={clock}
        choices={[
          ["sender", "the sender's"],
          ["server", "when received"],
        ]}
        onChoose={(chosen) => choose({ clock: chosen })}
      />
      <MenuLine />
      {onSettings && <MenuItem onSelect={onSettings}>Settings: apps, keys, members…</MenuItem>}
      <MenuItem onSelect={onHelp}>Keyboard shortcuts</MenuItem>
      <MenuLink href="/app/issues">Issues, crashes and feedback</MenuLink>
      <MenuItem onSelect={() => go("/account")}>Your account</MenuItem>
      <MenuLink href="/overview">Pages without script</MenuLink>
      <MenuItem onSelect={() => post("/sign-out")}>Sign out</MenuItem>
    </Menu>
  );
}
