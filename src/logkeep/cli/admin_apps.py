"""`logkeep admin app`, `key`, `token`."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from logkeep.cli.admin_common import App, Config, Data, Json, Team, day, opened, person, refuse_unknown_team, show, tell
from logkeep.clock import NS_PER_DAY, NS_PER_S
from logkeep.metastore.teams import FIRST_TEAM

AppName = Annotated[str, typer.Argument(metavar="APP", help="Name of the app.")]
KeyId = Annotated[str, typer.Argument(metavar="KEY", help="Its id, as `key list` shows it.")]
Origins = Annotated[
    list[str], typer.Option("--origin", metavar="ORIGIN", help="A web page that may use it, and then nobody else.")
]
SECONDS_PER_DAY = 86_400


def list_apps(data: Data = None, config: Config = None, json: Json = False) -> int:
    """List all apps."""
    with opened(data, config) as admin:
        rows = [
            {
                "app": app.name,
                "title": app.title,
                "team": app.team,
                "made": day(app.made_ns),
                "archived": day(app.archived_ns),
            }
            for app in admin.directory.apps.all()
        ]
    return show(rows, json, empty="no app yet; start the service once")


def create_app(
    app: AppName,
    team: Team = FIRST_TEAM,
    title: Annotated[str, typer.Option("--title", metavar="TITLE", help="What to call it. [its name]")] = "",
    data: Data = None,
    config: Config = None,
) -> int:
    """Make an app. It has no key yet: `logkeep admin key create --app APP`."""
    with opened(data, config) as admin:
        admin.directory.apps.create(admin.by, team=team, name=app, title_=title)
    return 0


def title_app(
    app: AppName,
    title: Annotated[str, typer.Argument(metavar="TITLE", help="What to call it; its name stays.")],
    data: Data = None,
    config: Config = None,
) -> int:
    """Give an app another title."""
    with opened(data, config) as admin:
        admin.directory.apps.change(admin.by, app, title_=title, archived=None, revision=None)
    return 0


def archive_app(app: AppName, data: Data = None, config: Config = None) -> int:
    """Take no events for an app any more; what it has can be read."""
    with opened(data, config) as admin:
        admin.directory.apps.change(admin.by, app, title_=None, archived=True, revision=None)
    return 0


def restore_app(app: AppName, data: Data = None, config: Config = None) -> int:
    """Take events again for an app that was archived."""
    with opened(data, config) as admin:
        admin.directory.apps.change(admin.by, app, title_=None, archived=False, revision=None)
    return 0


# ── keys ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def list_keys(app: App, data: Data = None, config: Config = None, json: Json = False) -> int:
    """List the write keys of an app, without their secrets, which nobody knows but who has them."""
    with opened(data, config) as admin:
        admin.directory.apps.get(app)
        rows = [
            {
                "key": one.id,
                "name": one.name,
                "prefix": one.prefix,
                "origins": one.origins,
                "made": day(one.made_ns),
                "expires": day(one.expires_ns),
                "used": _day(one.used_day),
            }
            for one in admin.directory.keys.list(app)
        ]
    return show(rows, json, empty="no key yet; `logkeep admin key create --app APP` makes one")


def create_key(
    app: App,
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="To tell it from others.")] = "command line",
    origin: Origins = [],  # noqa: B006  # typer's own way; it is not changed
    data: Data = None,
    config: Config = None,
    json: Json = False,
) -> int:
    """Make a write key, and print its secret: once, for only a hash of it is kept.

    With it senders write into this app; it cannot read.
    """
    with opened(data, config) as admin:
        key, secret = admin.directory.keys.create(admin.by, app, name=name, origins=tuple(origin))
    return tell({"key": key.id, "app": app, "name": name, "secret": secret}, json, secret, f"key {key.id} of {app}")


def change_key(
    key: KeyId,
    app: App,
    name: Annotated[str | None, typer.Option("--name", metavar="NAME", help="Another name. [as it is]")] = None,
    origin: Origins = [],  # noqa: B006
    any_origin: Annotated[bool, typer.Option("--any-origin", help="Bind it to no web page any more.")] = False,
    data: Data = None,
    config: Config = None,
) -> int:
    """Change the name of a write key, or the web pages that may use it: those given take the place of all before."""
    if origin and any_origin:
        raise typer.BadParameter("give --origin or --any-origin, not both", param_hint="--any-origin")
    if name is None and not origin and not any_origin:
        raise typer.BadParameter("say what changes: --name, --origin or --any-origin", param_hint="--name")
    origins = tuple(origin) if origin or any_origin else None
    with opened(data, config) as admin:
        admin.directory.keys.change(admin.by, app, key, name=name, origins=origins, revision=None)
    return 0


def rotate_key(
    key: KeyId,
    app: App,
    keep_s: Annotated[
        int, typer.Option("--keep-s", metavar="S", help="Seconds for which the old one goes on.")
    ] = 86_400,
    data: Data = None,
    config: Config = None,
    json: Json = False,
) -> int:
    """Make a new key like this one and print its secret; the old one goes on for a while."""
    with opened(data, config) as admin:
        made, secret = admin.directory.keys.rotate(admin.by, app, key, keep_s=keep_s)
    return tell(
        {"key": made.id, "app": app, "secret": secret}, json, secret, f"key {made.id}; {key} ends in {keep_s:,} s"
    )


def revoke_key(key: KeyId, app: App, data: Data = None, config: Config = None) -> int:
    """Refuse a write key from now on."""
    with opened(data, config) as admin:
        admin.directory.keys.revoke(admin.by, app, key)
    return 0


# ── tokens ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def list_tokens(team: Team = FIRST_TEAM, data: Data = None, config: Config = None, json: Json = False) -> int:
    """List the API tokens of a team, without their secrets."""
    with opened(data, config) as admin:
        refuse_unknown_team(admin, team)
        people = {one.id: one.email for one in admin.directory.people.all()}
        rows = [
            {
                "token": one.id,
                "name": one.name,
                "prefix": one.prefix,
                "scopes": one.scopes,
                "app": one.app or None,
                "person": people.get(one.person),
                "expires": day(one.expires_ns),
                "used": _day(one.used_day),
            }
            for one in admin.directory.tokens.list(team)
        ]
    return show(rows, json, empty="no token yet; `logkeep admin token create` makes one")


def create_token(
    scope: Annotated[
        list[str], typer.Option("--scope", metavar="SCOPE", help="read, edit, erase, keys, audit, or admin for all.")
    ] = ["read"],  # noqa: B006
    team: Team = FIRST_TEAM,
    app: Annotated[str, typer.Option("--app", metavar="APP", help="Good for this app only. [all of the team]")] = "",
    email: Annotated[
        str, typer.Option("--person", metavar="EMAIL", help="Theirs, and worth no more than they are. [the team's own]")
    ] = "",
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="To tell it from others.")] = "command line",
    days: Annotated[int | None, typer.Option("--days", metavar="N", min=1, help="Good for so long. [for ever]")] = None,
    data: Data = None,
    config: Config = None,
    json: Json = False,
) -> int:
    """Make an API token, and print its secret: once, for only a hash of it is kept."""
    with opened(data, config) as admin:
        owner = person(admin, email).id if email else ""
        token, secret = admin.directory.tokens.create(
            admin.by, team=team, app=app, person=owner, name=name, scopes=scope,
            expires_s=days * SECONDS_PER_DAY if days else None,
        )  # fmt: skip
    told = {"token": token.id, "team": team, "app": app or None, "scopes": token.scopes.split(), "secret": secret}
    return tell(told, json, secret, f"token {token.id} of {team}: {token.scopes}")


def revoke_token(
    token: Annotated[str, typer.Argument(metavar="TOKEN", help="Its id, as `token list` shows it.")],
    team: Team = FIRST_TEAM,
    data: Data = None,
    config: Config = None,
) -> int:
    """Refuse a token from now on; sign-ins made with it end."""
    with opened(data, config) as admin:
        admin.directory.tokens.revoke(admin.by, team, token)
    return 0


def _day(number: int) -> str | None:
    return datetime.fromtimestamp(number * NS_PER_DAY // NS_PER_S, UTC).date().isoformat() if number else None
