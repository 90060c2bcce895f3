import { useMe } from "../api/me";
import { told } from "../api/told";
import { Name } from "../text/Shown";
import { Icon } from "../ui/Icon";
import { Menu, MenuChoice } from "../ui/Menu";
import { post } from "./post";

/** Which app the pages show; a choice for who may read more than one. */
export function AppMenu() {
  const { data } = useMe();
  const apps = data?.apps ?? [];
  if (apps.length < 2)
    return (
      <span className="who" title="app">
        <Name text={told.app} />
      </span>
    );
  return (
    <Menu
      trigger={
        <>
          <span className="who">
            <Name text={told.app} />
          </span>{" "}
          <Icon name="down" />
        </>
      }
      label={`App: ${told.app}`}
    >
      <MenuChoice
        label="App"
        value={told.app}
        choices={apps.map(({ app, title }) => [app, title === app ? app : `${title} (${app})`])}
        onChoose={(app) => post("/app", { app })}
      />
    </Menu>
  );
}
