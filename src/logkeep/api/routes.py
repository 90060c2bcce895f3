"""Who may call what: every (path, method) with the scope it needs, in one table.

`create_api` refuses to start when a handler is not in this table or the table names one that is not there, and the
guard in auth.py reads nothing else. tests/integration/test_api.py walks it with no key, a write key and garbage.
"""

from typing import Literal

import msgspec

Scope = Literal[
    "open",  # anyone: carries nothing of any app
    "read",  # a read token or admin token, or a browser that has signed in
    "edit",  # the same, or later people of the team: what people work with (states, labels, rules for devices)
    "admin",  # an admin token, or a browser in which a person has signed in by password: what cannot be taken back
]


class Route(msgspec.Struct, frozen=True):
    """for_people: a page; a browser that has not signed in is led to /sign-in instead of getting a 401.

    parameters: the query parameters it knows, others are a 400; None: others are passed over (pages, health).
    """

    method: Literal["GET", "POST", "PATCH", "DELETE"]
    path: str
    scope: Scope
    for_people: bool = False
    parameters: tuple[str, ...] | None = None


LIST_PARAMETERS = ("query", "from", "to", "user", "device", "q", "limit", "cursor", "app")
ISSUE_PARAMETERS = (
    "kind", "status", "text", "version", "session", "device", "user", "sort", "days", "limit", "cursor", "app",
)  # fmt: skip

ROUTES = (
    Route(
        "GET",
        "/api/v1/search",
        "read",
        parameters=("query", "from", "to", "order", "limit", "cursor", "explain", "app"),
    ),
    Route("GET", "/api/v1/stats", "read", parameters=("query", "from", "to", "app")),
    Route("GET", "/api/v1/complete", "read", parameters=("query", "position", "app")),
    Route("GET", "/api/v1/histogram", "read", parameters=("query", "from", "to", "buckets", "by", "explain", "app")),
    Route("GET", "/api/v1/patterns", "read", parameters=("query", "from", "to", "buckets", "limit", "app")),
    Route("GET", "/api/v1/tail", "read", parameters=("query", "after", "app")),
    Route("GET", "/api/v1/export", "read", parameters=("query", "from", "to", "order", "format", "app")),
    Route("GET", "/api/v1/facets", "read", parameters=("query", "from", "to", "fields", "limit", "app")),
    Route("GET", "/api/v1/sessions", "read", parameters=LIST_PARAMETERS),
    Route("GET", "/api/v1/devices", "read", parameters=("where", *LIST_PARAMETERS)),
    Route("GET", "/api/v1/devices/{device}", "read", parameters=("app",)),
    Route("PATCH", "/api/v1/devices/{device}", "edit", parameters=("app",)),
    Route("DELETE", "/api/v1/devices/{device}", "edit", parameters=("app",)),
    Route("GET", "/api/v1/remote", "read", parameters=("device", "user", "app")),
    Route("POST", "/api/v1/remote", "edit", parameters=("app",)),
    Route("GET", "/api/v1/remote/{rule}", "read", parameters=("app",)),
    Route("DELETE", "/api/v1/remote/{rule}", "edit", parameters=("app",)),
    Route("GET", "/api/v1/issues", "read", parameters=ISSUE_PARAMETERS),
    Route("GET", "/api/v1/issues/{issue}", "read", parameters=("days", "app")),
    Route("PATCH", "/api/v1/issues/{issue}", "edit", parameters=("app",)),
    Route("GET", "/api/v1/issues/{issue}/occurrences", "read", parameters=("limit", "cursor", "app")),
    Route("GET", "/api/v1/issues/{issue}/affected", "read", parameters=("of", "limit", "app")),
    Route("GET", "/api/v1/users", "read", parameters=LIST_PARAMETERS),
    Route("GET", "/api/v1/events/{event_id}", "read", parameters=("context", "app")),
    Route("GET", "/api/v1/ledger", "read", parameters=("app",)),
    Route("GET", "/api/v1/statistics", "read", parameters=("from", "to", "by", "interval", "app")),
    Route("DELETE", "/api/v1/events", "admin", parameters=("query", "from", "to", "all", "app")),
    Route("GET", "/api/v1/erasures", "admin", parameters=("app",)),
    Route("GET", "/api/v1/erasures/{job}", "admin", parameters=("app",)),
    Route("POST", "/api/v1/erasures/{job}", "admin", parameters=("app",)),
    Route("GET", "/api/v1/rejected", "read", parameters=("limit", "app")),
    Route("GET", "/api/v1/udp-loss", "read", parameters=("app",)),
    Route("GET", "/api/openapi.json", "open"),
    Route("GET", "/sessions/{session}", "read", for_people=True),
    Route("GET", "/sessions", "read", for_people=True),
    Route("GET", "/devices/{device}", "read", for_people=True),
    Route("GET", "/devices", "read", for_people=True),
    Route("GET", "/users/{user}", "read", for_people=True),
    Route("GET", "/users", "read", for_people=True),
    Route("GET", "/issues", "read", for_people=True),
    Route("GET", "/issues/{issue}", "read", for_people=True),
    Route("POST", "/issues/{issue}", "edit", for_people=True),
    Route("GET", "/issues/of/{occurrence}", "read", for_people=True),
    Route("POST", "/remote", "edit", for_people=True),
    Route("POST", "/remote/{rule}/end", "edit", for_people=True),
    Route("GET", "/events/{event_id}", "read", for_people=True),
    Route("GET", "/search", "read", for_people=True),
    Route("GET", "/", "read", for_people=True),
    Route("GET", "/sign-in", "open", for_people=True),
    Route("POST", "/sign-in", "open", for_people=True),
    Route("POST", "/sign-out", "open", for_people=True),
    Route("GET", "/static/{name}", "open"),
    Route("GET", "/health/live", "open"),
    Route("GET", "/health/ready", "open"),
    Route("GET", "/metrics", "open"),
)

BY_PLACE = {(route.method, route.path): route for route in ROUTES}
