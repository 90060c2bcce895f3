"""Who is asking: the guard in front of every handler, driven by the table in routes.py alone."""

from difflib import get_close_matches
from typing import Annotated, Any, cast
from urllib.parse import quote, unquote_to_bytes, urlsplit

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.params import QueryParameter

from logkeep.api.backend import Context
from logkeep.api.routes import BY_PLACE, Route
from logkeep.api.sign_ins import COOKIE
from logkeep.errors import InputError
from logkeep.metastore.port import Credential

Connection = ASGIConnection[Any, Any, Any, Any]
NEXT_CHARS_MAX = 4096


class SignInNeeded(Exception):
    """A browser that has not signed in wants a page. `next`: the local path it asked for."""

    def __init__(self, next: str) -> None:
        super().__init__(next)
        self.next = next


async def admit(connection: Connection, _: BaseRouteHandler) -> None:
    """The guard. Raises InputError (400, 401, 403) or SignInNeeded when this request must not be answered."""
    method = connection.scope.get("method", "")
    if method == "OPTIONS":  # answered by the framework with the methods of the path, nothing else
        return
    route = BY_PLACE[(cast(Any, method), connection.scope["path_template"])]
    if route.scope != "open":
        connection.state.credential = await _reader(connection, route)
    if route.parameters is not None:
        _refuse_odd_parameters(connection, route.parameters)


async def still_admitted(connection: Connection) -> None:
    """For answers that last: raises as `admit` when the credential of this request holds no more."""
    await _reader(connection, BY_PLACE[("GET", connection.scope["path_template"])])  # all of them are reads


def provide_credential(
    request: Request[Any, Any, Any],
    app: Annotated[
        str | None,
        QueryParameter(name="app", description="The app to read: the token's own, which is the default."),
    ] = None,
) -> Credential:
    """Whose events this request may see. Raises InputError (403) when it names another app."""
    credential = cast(Credential, request.state.credential)
    if app and app != credential.app:
        raise InputError(
            f"this token reads the app {credential.app!r} only, not {app[:80]!r}", code="forbidden", status=403
        )
    return credential


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


def refuse_foreign_posts(request: Request[Any, Any, Any]) -> None:
    """Raises InputError (403) when a page of another site sent this form (browsers say so; they cannot be made to lie).

    Sec-Fetch-Site where the browser sends it (https, localhost), else Origin against Host. Neither: no browser.
    """
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
        raise InputError(f"the path is not UTF-8 at byte {error.start} of the name; encode it") from error


def path_of(connection: Connection) -> str:
    """Path and query as they were asked for: to come back to after signing in."""
    raw = connection.scope["raw_path"].split(b"?", 1)[0].decode("ascii", "replace")
    query = connection.scope["query_string"].decode("ascii", "replace")
    return quote(raw, safe="/%:@!$&'()*+,;=~-._") + (f"?{query}" if query else "")


async def _reader(connection: Connection, route: Route) -> Credential:
    context = cast(Context, connection.app.state.context)
    authorization = connection.headers.get("authorization")
    if authorization is not None:
        credential = _by_token(context, authorization)
    else:
        credential = await _by_cookie(context, connection.cookies.get(COOKIE, ""))
        if credential is None and route.for_people and wants_page(connection):
            raise SignInNeeded(path_of(connection))
    if credential is None:
        raise InputError(
            "no valid token; send `Authorization: Bearer TOKEN` with a read token, or sign in at /sign-in",
            code="unauthorized",
            status=401,
        )
    if credential.scope == "write":
        raise InputError(
            "this is a write key: it can send events and never read; use an API token", code="forbidden", status=403
        )
    if route.scope in ("edit", "admin") and credential.scope != "admin":
        raise InputError(
            "this token can only read; changing and erasing need an admin token, such as `api_token` of first-run.json",
            code="forbidden",
            status=403,
        )
    return credential


def _by_token(context: Context, authorization: str) -> Credential | None:
    kind, _, token = authorization.partition(" ")
    return context.backend.metastore.credential(token.strip()) if kind.lower() == "bearer" and token.strip() else None


async def _by_cookie(context: Context, secret: str) -> Credential | None:
    """From memory nearly always; else by a thread, for the metastore is asked then."""
    if not secret or context.sign_ins.is_fresh(secret):
        return context.sign_ins.credential(secret)
    return await context.checks.run(lambda: context.sign_ins.credential(secret))


def _refuse_odd_parameters(connection: Connection, known: tuple[str, ...]) -> None:
    for name in connection.query_params:
        if name not in known:
            close = get_close_matches(name[:40], known, n=1)
            advice = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"
            raise InputError(f"there is no parameter {name[:40]!r} here; {advice}", code="unknown_parameter")
        if len(connection.query_params.getall(name)) > 1:
            raise InputError(f"the parameter {name!r} is given more than once; give it once")
