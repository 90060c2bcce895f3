"""The API as an ASGI application, made from what the wiring gives it."""

from collections.abc import Sequence
from functools import cache
from typing import Any, cast

import msgspec
from litestar import Litestar, Request, Response, get
from litestar.datastructures import State
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme
from litestar.types import ControllerRouterHandler, Message, Scope

import logkeep
from logkeep.api import (
    account_pages,
    apps,
    audit,
    blocks,
    complete,
    device_pages,
    devices,
    erasures,
    errors,
    events,
    everybody,
    export,
    facets,
    health,
    histogram,
    home,
    invitations,
    issue_pages,
    issues,
    ledger,
    limits,
    masking,
    me,
    oidc,
    patterns,
    people,
    people_pages,
    rejected,
    remote,
    search,
    searches,
    sessions,
    shared_page,
    shares,
    sign_in,
    sign_in_api,
    signing,
    starts,
    statistics,
    stats,
    tail,
    teams,
    tokens,
    udp_loss,
    viewer,
)
from logkeep.api.auditing import Auditing
from logkeep.api.auth import admit, caller_of, provide_credential
from logkeep.api.backend import Backend, Context
from logkeep.api.bodies import TypedRequest
from logkeep.api.gone import cancel_when_gone
from logkeep.api.known_starts import KnownStarts
from logkeep.api.oidc_client import Provider
from logkeep.api.pages import CONTENT_SECURITY_POLICY, Pages
from logkeep.api.readers import Readers
from logkeep.api.remembered import Remembered
from logkeep.api.routes import BY_PLACE
from logkeep.api.search import GivenContext
from logkeep.api.sign_ins import APP_COOKIE, SignIns, app_cookie
from logkeep.api.streams import Places
from logkeep.api.tails import Tails
from logkeep.api.viewer_files import Viewer
from logkeep.clock import Clock
from logkeep.mail.outbox import Outbox
from logkeep.settings import Settings
from logkeep.telemetry import Telemetry

WAITING_MAX = 64  # queries behind the running ones; at 30 s a query the last would wait minutes anyway
CHECK_THREADS = 2
BODY_BYTES_MAX = 64 * 1024  # nothing here takes a larger one
_HEADERS = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
)
_DESCRIPTION = """Reading what Logkeep has stored. Send `Authorization: Bearer TOKEN` with a read token.

Times are RFC 3339, epoch milliseconds, or relative to now (`-15m`, `-1h30m`, `now-1d`). Every failure is
`{"error":{"code":…,"message":…,"column":…}}`; 503 and 429 carry `Retry-After`."""


def create_api(backend: Backend, *, settings: Settings, clock: Clock, telemetry: Telemetry) -> Litestar:
    """The application; run it with `uvicorn.Server`. Its threads end with its shutdown.

    Raises AssertionError when handlers and the table in routes.py differ: nothing is served that is not in the table.
    """
    built = Viewer()
    context = Context(
        backend=backend,
        settings=settings,
        clock=clock,
        telemetry=telemetry,
        queries=Readers("query", threads=settings.api.readers, waiting_max=WAITING_MAX),
        checks=Readers("check", threads=CHECK_THREADS, waiting_max=WAITING_MAX),
        tails=Tails(backend.feed, settings.tail, telemetry),
        exports=Places(settings.api.exports, "exports"),
        sign_ins=SignIns(backend.directory.sign_ins, backend.metastore, clock, valid_s=settings.metastore.keys_valid_s),
        auditing=Auditing(
            backend.directory.audit, backend.directory.tokens, clock, telemetry, days=settings.accounts.audit_days
        ),
        outbox=Outbox(backend.mail, telemetry),
        provider=_provider(settings, clock),
        pages=Pages(viewer=built.is_built),
        viewer=built,
        completions=Remembered(),
        starts=KnownStarts(backend.directory.starts, backend.metastore),
    )

    def start() -> None:
        context.auditing.start()
        context.outbox.start()

    def close() -> None:
        context.tails.close()
        context.queries.close()
        context.checks.close()
        context.outbox.close()
        context.auditing.close()

    app = Litestar(
        _handlers(),
        dependencies=_dependencies(context),
        guards=[admit],
        exception_handlers=errors.handlers(),
        before_send=[_complete_answer],
        middleware=[cancel_when_gone],
        on_startup=[start],
        on_shutdown=[close],
        request_class=TypedRequest,
        request_max_body_size=BODY_BYTES_MAX,
        state=State({"context": context}),
        openapi_config=None,
        logging_config=None,
    )
    _check_table(app)
    return app


def _provider(settings: Settings, clock: Clock) -> Provider | None:
    redirect_uri = f"{settings.public_url}{oidc.CALLBACK}"
    return Provider(settings.oidc, clock, redirect_uri) if settings.oidc.issuer else None


@get("/api/openapi.json", include_in_schema=False)
async def openapi(context: GivenContext) -> Response[bytes]:
    """The description of this API."""
    return Response(await context.checks.run(openapi_document), media_type="application/json")


_ALSO = (  # what the same call answers besides JSON
    ("/sessions/{session}", "text/html"),
    ("/api/v1/export", "text/csv"),
    ("/api/v1/audit/export", "text/csv"),
)


@cache
def openapi_document() -> bytes:
    """The OpenAPI document, made once: from a twin application that serves nothing, so that only the file is public."""
    config = OpenAPIConfig(
        title="Logkeep",
        version=logkeep.__version__,
        description=_DESCRIPTION,
        components=Components(security_schemes={"token": SecurityScheme(type="http", scheme="bearer")}),
        security=[{"token": []}],
        use_handler_docstrings=True,
        render_plugins=[JsonRenderPlugin()],
    )
    twin = Litestar(_handlers(), dependencies=_dependencies(None), openapi_config=config, logging_config=None)
    return msgspec.json.encode(_completed(twin.openapi_schema.to_schema()))


def _completed(document: dict[str, Any]) -> dict[str, Any]:
    """With what the framework cannot say of a handler, or says wrongly: `tuple[X, ...]` is an array of X alone."""
    for path, media_type in _ALSO:
        document["paths"][path]["get"]["responses"]["200"]["content"][media_type] = {"schema": {"type": "string"}}
    for operations in document["paths"].values():
        for operation in operations.values():
            if isinstance(operation, dict) and "requestBody" in operation:
                refused = operation["responses"]["400"]
                operation["responses"]["413"] = {**refused, "description": "The body is larger than is taken here"}
    return cast(dict[str, Any], _with_plain_items(document))


def _with_plain_items(node: Any) -> Any:
    if isinstance(node, list):
        return [_with_plain_items(one) for one in node]
    if not isinstance(node, dict):
        return node
    found = {name: _with_plain_items(one) for name, one in node.items()}
    match found.get("items"):
        case {"oneOf": [only, {**rest}]} if not rest:
            found["items"] = only
    return found


def _handlers() -> Sequence[ControllerRouterHandler]:
    return (
        search.search,
        search.search_page,
        histogram.histogram,
        patterns.patterns,
        stats.stats,
        complete.complete,
        events.event,
        events.event_page,
        tail.tail,
        export.export,
        sessions.session,
        sessions.session_list,
        people.sessions,
        people.devices,
        devices.device,
        devices.change_device,
        devices.forget_device,
        remote.rules,
        remote.make_rule,
        remote.rule,
        remote.end_rule,
        issues.issues,
        issues.issue,
        issues.judge_issue,
        issues.occurrences,
        issues.affected,
        people.users,
        people_pages.device_list,
        people_pages.device_page,
        people_pages.user_list,
        people_pages.user_page,
        issue_pages.issue_list,
        issue_pages.issue_page,
        issue_pages.judge_page,
        issue_pages.issue_of,
        device_pages.make_rule_page,
        device_pages.end_rule_page,
        facets.facets,
        searches.saved_searches,
        searches.save_search,
        searches.change_search,
        searches.delete_search,
        ledger.ledger,
        erasures.erase,
        erasures.erasures,
        erasures.erasure,
        erasures.confirm_erasure,
        rejected.rejected,
        udp_loss.udp_loss,
        *_rule_handlers(),
        statistics.statistics,
        home.home,
        home.overview,
        viewer.viewer,
        viewer.asset,
        *_account_handlers(),
        health.live,
        health.ready,
        health.metrics,
        openapi,
    )


def _rule_handlers() -> Sequence[ControllerRouterHandler]:
    return (
        limits.limits,
        limits.change_limits,
        blocks.blocks,
        blocks.make_block,
        blocks.remove_block,
        blocks.blocked,
        masking.masking,
        masking.set_masking,
        shares.shares,
        shares.make_share,
        shares.end_share,
        shared_page.shared,
    )


def _account_handlers() -> Sequence[ControllerRouterHandler]:
    return (
        sign_in.sign_in_page,
        sign_in.sign_in,
        sign_in.sign_in_totp,
        sign_in.sign_out,
        oidc.begin,
        oidc.callback,
        sign_in.choose_app,
        sign_in.static,
        account_pages.invitation_page,
        account_pages.accept_page,
        account_pages.reset_page,
        account_pages.ask_reset_page,
        account_pages.set_password_page,
        account_pages.account_page,
        account_pages.change_account,
        sign_in_api.ways,
        sign_in_api.sign_in,
        sign_in_api.sign_in_totp,
        sign_in_api.sign_out,
        me.me,
        me.change_me,
        starts.set_start,
        starts.remove_start,
        me.enrol_totp,
        me.confirm_totp,
        me.remove_totp,
        me.sign_ins,
        me.end_sign_in,
        me.end_sign_ins,
        everybody.people,
        everybody.change_person,
        everybody.end_sign_ins,
        everybody.remove_totp,
        teams.teams,
        teams.create_team,
        teams.team,
        teams.change_team,
        teams.members,
        teams.change_member,
        teams.remove_member,
        invitations.invitations,
        invitations.invite,
        invitations.withdraw,
        invitations.look,
        invitations.accept,
        invitations.ask_reset,
        invitations.set_password,
        apps.apps,
        apps.create_app,
        apps.one_app,
        apps.change_app,
        apps.keys,
        apps.create_key,
        apps.change_key,
        apps.rotate_key,
        apps.revoke_key,
        tokens.tokens,
        tokens.create_token,
        tokens.revoke_token,
        audit.audit,
        audit.audit_export,
    )


def _dependencies(context: Context | None) -> dict[str, Provide]:
    return {
        "context": Provide(lambda: context, sync_to_thread=False),
        "credential": Provide(provide_credential, sync_to_thread=False),
    }


async def _complete_answer(message: Message, scope: Scope) -> None:
    """Counts the answer and adds the headers that every answer has, errors too."""
    if message["type"] != "http.response.start":
        return
    headers = list(message.get("headers", []))
    present = {name.lower() for name, _ in headers}
    if b"cache-control" not in present:
        headers.append((b"cache-control", b"no-store"))  # logs of one person must not stay in a shared cache
    message["headers"] = [*headers, *(header for header in _HEADERS if header[0] not in present)]
    context: Context = scope["litestar_app"].state.context
    entry = scope["state"].pop("audit", None)
    if entry is not None and message["status"] < 400:
        context.auditing.note(entry)
    chosen = scope["state"].pop("chosen_app", None)
    if chosen is not None:
        request: Request[Any, Any, Any] = Request(scope)
        kept = signing.cookie(request, context, APP_COOKIE, *app_cookie(chosen, caller_of(request)))
        message["headers"] = [*message["headers"], kept.to_encoded_header()]
    route = scope.get("path_template") or "unmatched"  # never the path itself: its values have no bound
    context.telemetry["api_requests"].labels(route, str(message["status"])).inc()


def _check_table(app: Litestar) -> None:
    served: set[Any] = {
        (str(method), route.path_format)
        for route in app.routes
        for method in getattr(route, "methods", ())
        if method != "OPTIONS"
    }
    assert served == set(BY_PLACE), f"handlers and routes.py differ: {sorted(served ^ set(BY_PLACE))}"
