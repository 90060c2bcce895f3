"""Who may call what: every (path, method) with the scope it needs, in one table.

`create_api` refuses to start when a handler is not in this table or the table names one that is not there, and the
guard in auth.py reads nothing else. tests/integration/test_permissions.py walks it with every kind of credential.
"""

from typing import Literal

import msgspec

Scope = Literal[
    "open",  # anyone: carries nothing of any app
    "known",  # anyone who is known: about themselves, or what they may see anyway
    "person",  # a person who has signed in, no token: about their own account, in an app that they may read
    "read",  # events, and what is counted of them
    "edit",  # what people work with: states, settings of devices, who is in the team
    "erase",  # what cannot be taken back: events
    "keys",  # apps and their write keys
    "audit",  # who did what
    "admin",  # members, invitations, limits, tokens of the team
    "owner",  # a person who owns the team
]


class Route(msgspec.Struct, frozen=True):
    """for_people: a page; a browser that has not signed in is led to /sign-in instead of getting a 401.

    of: where the scope is needed. "app": in the one that the path or the parameter `app` names, else in the first that
    the caller may read; "team": the same with `team`; "team or app": as "team", and where the scope is had in some of
    its apps alone, of those; "installation": in the first team.
    parameters: the query parameters it knows, others are a 400; None: others are passed over (pages, health).
    audited: what the audit log says when it was answered, "" for nothing; changes say it themselves.
    """

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    scope: Scope
    for_people: bool = False
    parameters: tuple[str, ...] | None = None
    of: Literal["app", "team", "team or app", "installation"] = "app"
    audited: str = ""


LIST_PARAMETERS = ("query", "from", "to", "user", "device", "q", "limit", "cursor", "explain", "app")
_TEAM, _NONE = ("team",), ()


def _of_team(
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"],
    path: str,
    scope: Scope,
    parameters: tuple[str, ...] = _TEAM,
) -> Route:
    return Route(method, path, scope, parameters=parameters, of="team")


def _of_audit(path: str, *more: str) -> Route:
    parameters = ("team", "app", "who", "what", "from", "to", *more)
    return Route("GET", path, "audit", parameters=parameters, of="team or app")


ISSUE_PARAMETERS = (
    "kind", "status", "text", "version", "session", "device", "user", "sort", "days", "limit", "cursor", "app",
)  # fmt: skip


ROUTES = (
    Route(
        "GET",
        "/api/v1/search",
        "read",
        parameters=("query", "from", "to", "order", "limit", "cursor", "explain", "app"),
        audited="search",
    ),
    Route("GET", "/api/v1/stats", "read", parameters=("query", "from", "to", "explain", "app"), audited="stats"),
    Route("GET", "/api/v1/complete", "read", parameters=("query", "position", "from", "to", "app")),
    Route(
        "GET",
        "/api/v1/histogram",
        "read",
        parameters=("query", "from", "to", "buckets", "by", "explain", "app"),
        audited="histogram",
    ),
    Route(
        "GET",
        "/api/v1/patterns",
        "read",
        parameters=("query", "from", "to", "buckets", "limit", "explain", "app"),
        audited="patterns",
    ),
    Route("GET", "/api/v1/tail", "read", parameters=("query", "after", "app"), audited="tail"),
    Route(
        "GET", "/api/v1/export", "read", parameters=("query", "from", "to", "order", "format", "app"), audited="export"
    ),
    Route(
        "GET",
        "/api/v1/facets",
        "read",
        parameters=("query", "from", "to", "fields", "limit", "explain", "app"),
        audited="facets",
    ),
    Route("GET", "/api/v1/sessions", "read", parameters=LIST_PARAMETERS, audited="sessions"),
    Route("GET", "/api/v1/devices", "read", parameters=("where", *LIST_PARAMETERS), audited="devices"),
    Route("GET", "/api/v1/users", "read", parameters=LIST_PARAMETERS, audited="users"),
    Route("GET", "/api/v1/events/{event_id}", "read", parameters=("context", "app"), audited="event"),
    Route("GET", "/api/v1/devices/{device}", "read", parameters=("app",), audited="device"),
    Route("PATCH", "/api/v1/devices/{device}", "edit", parameters=("app",)),
    Route("DELETE", "/api/v1/devices/{device}", "edit", parameters=("app",)),
    Route("GET", "/api/v1/remote", "read", parameters=("device", "user", "app")),
    Route("POST", "/api/v1/remote", "edit", parameters=("app",)),
    Route("GET", "/api/v1/remote/{rule}", "read", parameters=("app",)),
    Route("DELETE", "/api/v1/remote/{rule}", "edit", parameters=("app",)),
    Route("GET", "/api/v1/issues", "read", parameters=ISSUE_PARAMETERS, audited="issues"),
    Route("GET", "/api/v1/issues/{issue}", "read", parameters=("days", "app"), audited="issue"),
    Route("PATCH", "/api/v1/issues/{issue}", "edit", parameters=("app",)),
    Route("GET", "/api/v1/issues/{issue}/occurrences", "read", parameters=("limit", "cursor", "app"), audited="issue"),
    Route("GET", "/api/v1/issues/{issue}/affected", "read", parameters=("of", "limit", "app"), audited="issue"),
    Route("GET", "/api/v1/searches", "read", parameters=("app",)),
    Route("POST", "/api/v1/searches", "edit", parameters=("app",)),
    Route("PATCH", "/api/v1/searches/{search}", "edit", parameters=("app",)),
    Route("DELETE", "/api/v1/searches/{search}", "edit", parameters=("app",)),
    Route("GET", "/api/v1/shares", "edit", parameters=("app",)),
    Route("POST", "/api/v1/shares", "edit", parameters=("app",)),
    Route("DELETE", "/api/v1/shares/{share}", "edit", parameters=("app",)),
    Route("GET", "/api/v1/ledger", "read", parameters=("app",)),
    Route("GET", "/api/v1/statistics", "read", parameters=("from", "to", "by", "interval", "app")),
    Route("DELETE", "/api/v1/events", "erase", parameters=("query", "from", "to", "all", "app")),
    Route("GET", "/api/v1/erasures", "erase", parameters=("app",)),
    Route("GET", "/api/v1/erasures/{job}", "erase", parameters=("app",)),
    Route("POST", "/api/v1/erasures/{job}", "erase", parameters=("app",)),
    Route("GET", "/api/v1/rejected", "read", parameters=("limit", "app"), audited="rejected"),
    Route("GET", "/api/v1/udp-loss", "read", parameters=("app",)),
    # Signing in
    Route("GET", "/api/v1/sign-in", "open", parameters=_NONE),
    Route("POST", "/api/v1/sign-in", "open", parameters=_NONE),
    Route("POST", "/api/v1/sign-in/totp", "open", parameters=_NONE),
    Route("POST", "/api/v1/sign-out", "open", parameters=_NONE),
    Route("POST", "/api/v1/password-resets", "open", parameters=_NONE),
    Route("POST", "/api/v1/password-resets/set", "open", parameters=_NONE),
    Route("POST", "/api/v1/invitations/look", "open", parameters=_NONE),
    Route("POST", "/api/v1/invitations/accept", "open", parameters=_NONE),
    # Oneself
    Route("GET", "/api/v1/me", "known", parameters=_NONE),
    Route("PATCH", "/api/v1/me", "person", parameters=_NONE),
    Route("PUT", "/api/v1/me/starts/{app}", "person", parameters=_NONE),
    Route("DELETE", "/api/v1/me/starts/{app}", "person", parameters=_NONE),
    Route("POST", "/api/v1/me/totp", "person", parameters=_NONE),
    Route("POST", "/api/v1/me/totp/confirm", "person", parameters=_NONE),
    Route("POST", "/api/v1/me/totp/remove", "person", parameters=_NONE),
    Route("GET", "/api/v1/me/sign-ins", "person", parameters=_NONE),
    Route("DELETE", "/api/v1/me/sign-ins", "person", parameters=_NONE),
    Route("DELETE", "/api/v1/me/sign-ins/{sign_in}", "person", parameters=_NONE),
    # People of the installation
    Route("GET", "/api/v1/people", "owner", parameters=_NONE, of="installation"),
    Route("PATCH", "/api/v1/people/{person}", "owner", parameters=_NONE, of="installation"),
    Route("DELETE", "/api/v1/people/{person}/sign-ins", "owner", parameters=_NONE, of="installation"),
    Route("DELETE", "/api/v1/people/{person}/totp", "owner", parameters=_NONE, of="installation"),
    # Teams, apps, keys, tokens
    Route("GET", "/api/v1/teams", "known", parameters=_NONE),
    Route("POST", "/api/v1/teams", "owner", parameters=_NONE, of="installation"),
    _of_team("GET", "/api/v1/teams/{team}", "read", _NONE),
    _of_team("PATCH", "/api/v1/teams/{team}", "admin", _NONE),
    _of_team("GET", "/api/v1/members", "edit"),
    _of_team("PATCH", "/api/v1/members/{person}", "admin"),
    _of_team("DELETE", "/api/v1/members/{person}", "admin"),
    _of_team("GET", "/api/v1/invitations", "admin"),
    _of_team("POST", "/api/v1/invitations", "admin"),
    _of_team("DELETE", "/api/v1/invitations/{invitation}", "admin"),
    Route("GET", "/api/v1/apps", "known", parameters=_NONE),
    _of_team("POST", "/api/v1/apps", "keys"),
    Route("GET", "/api/v1/apps/{app}", "read", parameters=_NONE),
    Route("PATCH", "/api/v1/apps/{app}", "keys", parameters=_NONE),
    Route("GET", "/api/v1/apps/{app}/keys", "keys", parameters=_NONE),
    Route("POST", "/api/v1/apps/{app}/keys", "keys", parameters=_NONE),
    Route("PATCH", "/api/v1/apps/{app}/keys/{key}", "keys", parameters=_NONE),
    Route("POST", "/api/v1/apps/{app}/keys/{key}/rotate", "keys", parameters=_NONE),
    Route("DELETE", "/api/v1/apps/{app}/keys/{key}", "keys", parameters=_NONE),
    Route("GET", "/api/v1/apps/{app}/limits", "read", parameters=_NONE),
    Route("PUT", "/api/v1/apps/{app}/limits", "admin", parameters=_NONE),
    Route("GET", "/api/v1/apps/{app}/masking", "read", parameters=_NONE),
    Route("PUT", "/api/v1/apps/{app}/masking", "admin", parameters=("dry_run",)),
    _of_team("GET", "/api/v1/tokens", "read"),
    _of_team("POST", "/api/v1/tokens", "read"),
    _of_team("DELETE", "/api/v1/tokens/{token}", "read"),
    _of_audit("/api/v1/audit", "limit", "cursor"),
    _of_audit("/api/v1/audit/export", "format"),
    Route("GET", "/api/v1/blocks", "read", parameters=("app",)),
    Route("POST", "/api/v1/blocks", "admin", parameters=("app",)),
    Route("DELETE", "/api/v1/blocks/{block}", "admin", parameters=("app",)),
    Route("GET", "/api/v1/blocked", "read", parameters=("from", "limit", "app")),
    Route("GET", "/api/openapi.json", "open"),
    # Pages
    Route("GET", "/sessions/{session}", "read", for_people=True, audited="session"),
    Route("GET", "/sessions", "read", for_people=True, audited="sessions"),
    Route("GET", "/devices/{device}", "read", for_people=True, audited="device"),
    Route("GET", "/devices", "read", for_people=True, audited="devices"),
    Route("GET", "/users/{user}", "read", for_people=True, audited="user"),
    Route("GET", "/users", "read", for_people=True, audited="users"),
    Route("GET", "/events/{event_id}", "read", for_people=True, audited="event"),
    Route("GET", "/search", "read", for_people=True, audited="search"),
    Route("GET", "/issues", "read", for_people=True, audited="issues"),
    Route("GET", "/issues/{issue}", "read", for_people=True, audited="issue"),
    Route("POST", "/issues/{issue}", "edit", for_people=True),
    Route("GET", "/issues/of/{occurrence}", "read", for_people=True, audited="issue"),
    Route("POST", "/remote", "edit", for_people=True),
    Route("POST", "/remote/{rule}/end", "edit", for_people=True),
    Route("GET", "/", "read", for_people=True),
    Route("GET", "/overview", "read", for_people=True),
    Route("GET", "/app", "read", for_people=True),
    Route("GET", "/app/{rest}", "read", for_people=True),
    Route("GET", "/app/assets/{name}", "open"),
    Route("GET", "/sign-in", "open", for_people=True),
    Route("POST", "/sign-in", "open", for_people=True),
    Route("POST", "/sign-in/totp", "open", for_people=True),
    Route("GET", "/sign-in/oidc", "open", for_people=True),
    Route("GET", "/sign-in/oidc/callback", "open", for_people=True),
    Route("POST", "/sign-out", "open", for_people=True),
    Route("GET", "/invitation", "open", for_people=True),
    Route("POST", "/invitation", "open", for_people=True),
    Route("GET", "/password-reset", "open", for_people=True),
    Route("POST", "/password-reset", "open", for_people=True),
    Route("POST", "/password-reset/set", "open", for_people=True),
    Route("GET", "/account", "person", for_people=True),
    Route("POST", "/account", "person", for_people=True),
    Route("POST", "/app", "known", for_people=True),
    Route("GET", "/shared/{secret}", "open", for_people=True),
    Route("GET", "/static/{name}", "open"),
    Route("GET", "/health/live", "open"),
    Route("GET", "/health/ready", "open"),
    Route("GET", "/metrics", "open"),
)

BY_PLACE = {(route.method, route.path): route for route in ROUTES}
