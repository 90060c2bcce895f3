"""Who is asking: the guard in front of every handler, driven by the table in routes.py alone."""

from difflib import get_close_matches
from typing import Annotated, Any, cast
from urllib.parse import quote, unquote_to_bytes, urlsplit

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.params import QueryParameter

from logkeep.api.auditing import read_entry
from logkeep.api.backend import Context
from logkeep.api.routes import BY_PLACE, Route
from logkeep.api.sign_ins import APP_COOKIE, COOKIE, chosen_app
from logkeep.errors import InputError
from logkeep.metastore.accounts import scope_word
from logkeep.metastore.audit import Actor, Entry
from logkeep.metastore.port import Caller, Credential
from logkeep.metastore.roles import NOTHING
from logkeep.metastore.teams import FIRST_TEAM

Connection = ASGIConnection[Any, Any, Any, Any]
NEXT_CHARS_MAX = 4096
SAFE_METHODS = ("GET", "HEAD")


class SignInNeeded(Exception):
    """A browser that has not signed in wants a page. `next`: the local path it asked for."""

    def __init__(self, next: str) -> None:
        super().__init__(next)
        self.next = next


async def admit(connection: Connection, _: BaseRouteHandler) -> None:
    """The guard. Raises InputError (400, 401, 403, 404) or SignInNeeded when this request must not be answered.

    Afterwards `state.caller` is who asks, and `state.credential` or `state.team` where, as the table says; with
    `state.apps` of which apps of the team alone, None for all of it.
    """
    method = connection.scope.get("method", "")
    if method == "OPTIONS":  # answered by the framework with the methods of the path, nothing else
        return
    route = BY_PLACE[(cast(Any, method), connection.scope["path_template"])]
    if method not in SAFE_METHODS:
        refuse_foreign_posts(connection)
    if route.scope != "open":
        _allow(connection, route, await _caller(connection, route))
    _refuse_other_bytes(connection)
    if route.parameters is not None:
        _refuse_odd_parameters(connection, route.parameters)
    if route.audited:
        connection.state.audit = read_entry(connection, route.audited)


async def still_admitted(connection: Connection) -> None:
    """For answers that last: raises as `admit` when the caller of this request may not have it any more."""
    route = BY_PLACE[("GET", connection.scope["path_template"])]  # all of them are reads
    caller = await _caller(connection, route)
    if route.of == "app":
        app = cast(Credential, connection.state.credential).app
        may, where = route.scope in caller.scopes_in(app), f"the app {app!r}"
    elif route.of in ("team", "team or app"):
        team, apps = connection.state.team, _apps_of_answer(connection)
        may, where = _may_still(route, caller, team, apps), f"the team {team!r}"
    else:
        _allow(connection, route, caller)
        return
    if not may:
        raise _may_not(route, caller, where)


def provide_credential(
    request: Request[Any, Any, Any],
    app: Annotated[
        str | None,
        QueryParameter(name="app", description="The app to read; the first you may read is the default."),
    ] = None,
) -> Credential:
    """Whose events this request may see: those of the app that the guard found it to be about."""
    return cast(Credential, request.state.credential)


def caller_of(request: Connection) -> Caller:
    return cast(Caller, request.state.caller)


def may_edit(request: Connection, app: str) -> bool:
    """Whether a page offers what changes states and settings there; the guard decides all the same."""
    return "edit" in caller_of(request).scopes_in(app)


def actor_of(request: Connection) -> Actor:
    """Who does what is written into the audit log."""
    caller = caller_of(request)
    return Actor(caller.id, caller.name, address_of(request))


def change_of(request: Connection, what: str, app: str, target: str = "", **detail: Any) -> Entry:
    """What the audit log is told of a change in an app."""
    context = cast(Context, request.app.state.context)
    return Entry(
        by=actor_of(request), what=what, made_ns=context.clock.now_ns(), team=context.backend.metastore.team_of(app),
        app=app, target=target, detail=detail,
    )  # fmt: skip


def address_of(request: Connection) -> str:
    """Where it comes from; behind a proxy on this machine what that one says (uvicorn sees to it)."""
    return request.client.host if request.client else ""


def is_local_path(path: str) -> bool:
    """A path on this very server: what a redirect may lead to without becoming an open redirect."""
    if len(path) > NEXT_CHARS_MAX or not path.startswith("/") or path.startswith(("//", "/\\")):
        return False
    if any(ord(character) < 0x20 or character in "\\\x7f" for character in path):
        return False
    try:
        parts = urlsplit(path)
    except ValueError:
        return False
    return not parts.scheme and not parts.netloc


def refuse_foreign_posts(request: Connection) -> None:
    """Raises InputError (403) when a page of another site sent this (browsers say so; they cannot be made to lie).

    Sec-Fetch-Site where the browser sends it (https, localhost), else Origin against Host. Neither: no browser. A token
    in a header is no cookie that a browser adds by itself.
    """
    if "authorization" in request.headers:
        return
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if site is not None:
        foreign = site not in ("same-origin", "none")
    else:
        foreign = origin is not None and origin.lower().partition("://")[2] != request.headers.get("host", "").lower()
    if foreign:
        raise InputError(
            "this form was sent by a page of another site; open the sign-in page here",
            code="foreign_origin",
            status=403,
        )


def wants_page(connection: Connection) -> bool:
    """The asker is a browser looking at a page, not a program."""
    return "text/html" in connection.headers.get("accept", "") and not connection.scope["path"].startswith("/api/")


def name_in_path(connection: Connection, prefix: str) -> str:
    """The rest of the path after `prefix`, percent-decoded once: `/sessions/a%2Fb` names the session `a/b`.

    Taken from the bytes as sent, because the decoded path cannot tell `%2F` from `/`. Raises InputError (400).
    """
    raw = connection.scope["raw_path"].split(b"?", 1)[0]
    rest = raw.partition(prefix.encode())[2]
    try:
        return unquote_to_bytes(rest).decode()
    except UnicodeDecodeError as error:
        raise InputError(
            f"the path is not UTF-8 at byte {error.start} of the name; encode it", code="invalid_utf8"
        ) from error


def path_of(connection: Connection) -> str:
    """Path and query as they were asked for: to come back to after signing in."""
    raw = connection.scope["raw_path"].split(b"?", 1)[0].decode("ascii", "replace")
    query = connection.scope["query_string"].decode("ascii", "replace")
    return quote(raw, safe="/%:@!$&'()*+,;=~-._") + (f"?{query}" if query else "")


# ── who ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def _caller(connection: Connection, route: Route) -> Caller:
    context = cast(Context, connection.app.state.context)
    authorization = connection.headers.get("authorization")
    if authorization is not None:
        caller = _by_token(context, authorization)
    else:
        caller = await by_cookie(context, connection.cookies.get(COOKIE, ""))
        if caller is None and route.for_people and wants_page(connection):
            raise SignInNeeded(path_of(connection))
    if caller is None:
        raise InputError(
            "no valid token; send `Authorization: Bearer TOKEN` with a read token, or sign in at /sign-in",
            code="unauthorized",
            status=401,
        )
    if caller.kind == "key":
        raise InputError(
            "this is a write key: it can send events and never read; use an API token", code="forbidden", status=403
        )
    if caller.kind == "token":
        context.auditing.token_used(caller.id)
    connection.state.caller = caller
    return caller


def _by_token(context: Context, authorization: str) -> Caller | None:
    kind, _, token = authorization.partition(" ")
    return context.backend.metastore.caller(token.strip()) if kind.lower() == "bearer" and token.strip() else None


async def by_cookie(context: Context, secret: str) -> Caller | None:
    """From memory nearly always; else by a thread, for the metastore is asked then."""
    if not secret or context.sign_ins.is_fresh(secret):
        return context.sign_ins.caller(secret)
    return await context.checks.run(lambda: context.sign_ins.caller(secret))


# ── whether ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _allow(connection: Connection, route: Route, caller: Caller) -> None:
    if route.scope == "known":
        return
    if route.scope == "person":
        if caller.kind != "person":
            raise InputError(
                "only people who have signed in have an account; this is a token", code="forbidden", status=403
            )
        if "app" in connection.path_params:
            _app(connection, route, caller)
        return
    if route.of == "installation":
        if route.scope not in caller.teams.get(FIRST_TEAM, NOTHING):
            raise (
                _not_an_owner(caller) if route.scope == "owner" else _may_not(route, caller, f"the team {FIRST_TEAM!r}")
            )
    elif route.of == "team":
        connection.state.team = _team(connection, route, caller)
    elif route.of == "team or app":
        connection.state.team, connection.state.apps = _team_or_apps(connection, route, caller)
    else:
        connection.state.credential = _credential(connection, route, caller)


def _team(connection: Connection, route: Route, caller: Caller) -> str:
    named = connection.path_params.get("team") or connection.query_params.get("team")
    if named and named not in caller.teams:
        raise InputError(f"there is no team {named[:80]!r}", code="not_found", status=404)
    able = [team for team, scopes in caller.teams.items() if route.scope in scopes and named in (None, "", team)]
    if not able:
        raise _may_not(route, caller, f"the team {named!r}" if named else "any team")
    return able[0]


def _may_still(route: Route, caller: Caller, team: str, apps: tuple[str, ...]) -> bool:
    """In the team that was chosen at first: other roles, had since, choose no other one."""
    if route.scope in caller.teams.get(team, NOTHING):
        return True
    return bool(apps) and all(route.scope in caller.scopes_in(app) for app in apps)


def _apps_of_answer(connection: Connection) -> tuple[str, ...]:
    """Those that an answer about a team is of, where the scope was had in some apps alone; else none."""
    apps = cast(tuple[str, ...] | None, connection.state.get("apps")) or ()
    named = connection.query_params.get("app")
    return (named,) if named in apps else apps


def _team_or_apps(connection: Connection, route: Route, caller: Caller) -> tuple[str, tuple[str, ...] | None]:
    """The team; and its apps, where the scope is had in those alone."""
    team_of = cast(Context, connection.app.state.context).backend.metastore.team_of
    able: dict[str, tuple[str, ...] | None] = {
        team: None for team, scopes in caller.teams.items() if route.scope in scopes
    }
    for app, scopes in caller.apps.items():
        if route.scope in scopes and (apps := able.get(team_of(app), ())) is not None:
            able[team_of(app)] = (*apps, app)
    named, app = connection.query_params.get("team"), connection.query_params.get("app", "")
    if named and named not in caller.teams and named not in able:
        raise InputError(f"there is no team {named[:80]!r}", code="not_found", status=404)
    wanted = named or (team_of(app) if app in caller.apps else "")
    team = next((team for team in able if wanted in ("", team)), None)
    if team is None or (app and app not in (able[team] or (app,))):
        where = f"the app {app[:80]!r}" if app else f"the team {named!r}" if named else "any team or app"
        raise _may_not(route, caller, where)
    return team, able[team]


def _credential(connection: Connection, route: Route, caller: Caller) -> Credential:
    app = _app(connection, route, caller)
    scopes = caller.scopes_in(app)
    if route.scope not in scopes:
        raise _may_not(route, caller, f"the app {app!r}")
    return Credential(app, scope_word(scopes), caller.name, caller.id)


def _app(connection: Connection, route: Route, caller: Caller) -> str:
    if (in_path := connection.path_params.get("app")) is not None:
        if in_path not in caller.apps:
            raise InputError(f"there is no app {str(in_path)[:80]!r}", code="not_found", status=404)
        return str(in_path)
    named = connection.query_params.get("app")
    if named:
        if named not in caller.apps:
            apps = ", ".join(list(caller.apps)[:10]) or "none"
            raise InputError(
                f"you may read {apps}, not {named[:80]!r}; ask an admin of its team for a role in it, if there is such "
                "an app",
                code="forbidden",
                status=403,
            )
        if route.for_people and "authorization" not in connection.headers:
            connection.state.chosen_app = named  # the pages that this one leads to go on with it
        return str(named)
    if route.for_people and (chosen := chosen_app(connection.cookies.get(APP_COOKIE, ""), caller)):
        return chosen
    able = [app for app, scopes in caller.apps.items() if route.scope in scopes]
    found = able or list(caller.apps)
    if not found:
        raise InputError(
            "there is no app that you may read; create one with `POST /api/v1/apps`, or ask an admin of your team",
            code="no_app",
            status=403,
        )
    return found[0]


def _not_an_owner(caller: Caller) -> InputError:
    who = "no token can do this; sign in as one" if caller.kind == "token" else "ask one"
    message = f"only owners of the team {FIRST_TEAM!r} may do this; {who}"
    return InputError(message, code="forbidden", status=403)


def _may_not(route: Route, caller: Caller, where: str) -> InputError:
    what = "a token with this scope or with `admin`" if caller.kind == "token" else "a role that has it"
    return InputError(
        f"this needs the scope {route.scope!r} in {where}, which you have not; ask its admins for {what}",
        code="forbidden",
        status=403,
    )


def _refuse_other_bytes(connection: Connection) -> None:
    """The framework would read what is not UTF-8 as U+FFFD, and that is found nowhere."""
    for pair in connection.scope["query_string"].split(b"&"):
        try:
            unquote_to_bytes(pair).decode()
        except UnicodeDecodeError as error:
            name = pair.partition(b"=")[0][:40].decode("ascii", "replace")
            raise InputError(
                f"{name} in the address is not UTF-8; percent-encode UTF-8", code="invalid_utf8"
            ) from error


def _refuse_odd_parameters(connection: Connection, known: tuple[str, ...]) -> None:
    for name in connection.query_params:
        if name not in known:
            close = get_close_matches(name[:40], known, n=1)
            advice = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known) or 'none'}"
            raise InputError(f"there is no parameter {name[:40]!r} here; {advice}", code="unknown_parameter")
        if len(connection.query_params.getall(name)) > 1:
            raise InputError(f"the parameter {name!r} is given more than once; give it once")
