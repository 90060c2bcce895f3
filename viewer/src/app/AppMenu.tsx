import { useMutation, useQueryClient } from "@tanstack/react-query";
import { send } from "../api/client";
import { type Me, useMe } from "../api/me";
import { told } from "../api/told";
import { Name } from "../text/Shown";
import { Icon } from "../ui/Icon";
import { Menu, MenuCheck, MenuChoice, MenuLine } from "../ui/Menu";
import { Problem } from "../ui/Notice";
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
      {data?.kind === "person" && <OpensFirst me={data} />}
    </Menu>
  );
}

/** Whether it is the app on this page that opens where the address names none. */
function OpensFirst({ me }: { me: Me }) {
  const client = useQueryClient();
  const keeping = useMutation({
    mutationFn: (opens: boolean) => send<Me>("PATCH", "/api/v1/me", { default_app: opens ? told.app : "" }),
    onSuccess: (changed) => client.setQueryData(["me"], changed),
  });
  return (
    <>
      <MenuLine />
      <MenuCheck checked={me.default_app === told.app} onChange={keeping.mutate}>
        Open with this app
      </MenuCheck>
      {keeping.error && <Problem error={keeping.error} />}
    </>
  );
}
