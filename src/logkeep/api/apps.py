"""Apps and their write keys: `/api/v1/apps`, `/api/v1/apps/{app}/keys`."""

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, delete, get, patch, post
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from logkeep.api.answers import Time
from logkeep.api.auth import actor_of, caller_of
from logkeep.api.bodies import Body, Revision, Secret, answer, day_text, nothing, seen_revision, told, when
from logkeep.api.search import GivenContext
from logkeep.api.teams import GivenTeam
from logkeep.metastore.apps import App
from logkeep.metastore.keys import Key

KEEP_S = 86_400  # for which a rotated key goes on, unless told otherwise
Origins = Annotated[
    list[str],
    Meta(
        description="web pages that may use it, such as https://shop.example or https://*.shop.example, and then "
        "nobody else; empty: anybody who has it",
        max_length=20,
    ),
]


class AppAnswer(msgspec.Struct):
    app: str
    title: str
    team: str
    made: Time
    archived: Annotated[str | None, Meta(description="since then it takes no events; what it has can be read")]
    revision: int


class AppsAnswer(msgspec.Struct):
    apps: list[AppAnswer]
    next: None = None


class NewApp(Body):
    app: Annotated[str, Meta(max_length=200, description="a-z, 0-9, '.', '_', '-'; unique here; stays for ever")]
    title: Annotated[str, Meta(max_length=200)] = ""


class AppBody(Body):
    """What changes; what is not sent stays."""

    title: Annotated[str, Meta(max_length=200)] | None = None
    archived: bool | None = None
    revision: Revision = None


class KeyAnswer(msgspec.Struct):
    key: Annotated[str, Meta(description="its id, not the secret")]
    app: str
    name: str
    prefix: Annotated[str, Meta(description="how the secret begins")]
    origins: list[str]
    made: Time
    made_by: str
    expires: Annotated[str | None, Meta(description="of a key that was rotated: until then it goes on")]
    revision: int
    used: Annotated[str | None, Meta(description="the last day (UTC) on which it was used; null: never")] = None


class NewKeyAnswer(KeyAnswer):
    secret: Secret = ""


class KeysAnswer(msgspec.Struct):
    keys: list[KeyAnswer]
    next: None = None


class NewKey(Body):
    name: Annotated[str, Meta(max_length=200)]
    origins: Origins = msgspec.field(default_factory=list)


class KeyBody(Body):
    """What changes; what is not sent stays."""

    name: Annotated[str, Meta(max_length=200)] | None = None
    origins: Origins | None = None
    revision: Revision = None


class Rotation(Body):
    keep_s: Annotated[
        int, Meta(ge=0, le=90 * 86_400, description="seconds for which the old secret goes on; 0: it ends now")
    ] = KEEP_S


@get("/api/v1/apps", summary="Apps", tags=["apps"], responses=told(AppsAnswer, "Those you may read"))
async def apps(request: Request[Any, Any, Any], context: GivenContext) -> Response[bytes]:
    """In the order in which they were made; archived ones too."""
    names = list(caller_of(request).apps)
    found = await context.checks.run(lambda: context.backend.directory.apps.list(names))
    return answer(AppsAnswer([_app(app) for app in found]))


@post(
    "/api/v1/apps",
    status_code=201,
    summary="Create an app",
    tags=["apps"],
    responses=told(AppAnswer, "Made", 404, 409, status=201),
)
async def create_app(
    request: Request[Any, Any, Any], context: GivenContext, data: JSONBody[NewApp], team: GivenTeam = None
) -> Response[bytes]:
    """It has no key yet."""
    by = actor_of(request)
    made = await context.checks.run(
        lambda: context.backend.directory.apps.create(by, team=request.state.team, name=data.app, title_=data.title)
    )
    return answer(_app(made), 201, revision=made.revision)


@get("/api/v1/apps/{app:str}", summary="One app", tags=["apps"], responses=told(AppAnswer, "It", 404))
async def one_app(context: GivenContext, app: FromPath[str]) -> Response[bytes]:
    """With its revision, also as `ETag`."""
    found = await context.checks.run(lambda: context.backend.directory.apps.get(app))
    return answer(_app(found), revision=found.revision)


@patch(
    "/api/v1/apps/{app:str}",
    summary="Change an app",
    tags=["apps"],
    responses=told(AppAnswer, "As it is now", 404, 409),
)
async def change_app(
    request: Request[Any, Any, Any], context: GivenContext, app: FromPath[str], data: JSONBody[AppBody]
) -> Response[bytes]:
    """Title, or whether it is archived: then its keys are refused until it is not."""
    by, revision = actor_of(request), seen_revision(request, data.revision)
    changed = await context.checks.run(
        lambda: context.backend.directory.apps.change(
            by, app, title_=data.title, archived=data.archived, revision=revision
        )
    )
    return answer(_app(changed), revision=changed.revision)


@get(
    "/api/v1/apps/{app:str}/keys", summary="Write keys", tags=["apps"], responses=told(KeysAnswer, "Oldest first", 404)
)
async def keys(context: GivenContext, app: FromPath[str]) -> Response[bytes]:
    """Without their secrets, which nobody knows but who has them."""
    found = await context.checks.run(lambda: context.backend.directory.keys.list(app))
    return answer(KeysAnswer([_key(key) for key in found]))


@post(
    "/api/v1/apps/{app:str}/keys",
    status_code=201,
    summary="Create a write key",
    tags=["apps"],
    responses=told(NewKeyAnswer, "Made, with its secret", 404, status=201),
)
async def create_key(
    request: Request[Any, Any, Any], context: GivenContext, app: FromPath[str], data: JSONBody[NewKey]
) -> Response[bytes]:
    """A key that can send events and nothing else. It is known everywhere within `metastore.refresh_s`."""
    by = actor_of(request)
    made = await context.checks.run(
        lambda: context.backend.directory.keys.create(by, app, name=data.name, origins=tuple(data.origins))
    )
    return answer(_new_key(*made), 201, revision=made[0].revision)


@patch(
    "/api/v1/apps/{app:str}/keys/{key:str}",
    summary="Change a write key",
    tags=["apps"],
    responses=told(KeyAnswer, "As it is now", 404, 409),
)
async def change_key(
    request: Request[Any, Any, Any],
    context: GivenContext,
    app: FromPath[str],
    key: FromPath[str],
    data: JSONBody[KeyBody],
) -> Response[bytes]:
    """Its name, or the web pages that may use it."""
    by, revision = actor_of(request), seen_revision(request, data.revision)
    origins = None if data.origins is None else tuple(data.origins)
    changed = await context.checks.run(
        lambda: context.backend.directory.keys.change(by, app, key, name=data.name, origins=origins, revision=revision)
    )
    return answer(_key(changed), revision=changed.revision)


@post(
    "/api/v1/apps/{app:str}/keys/{key:str}/rotate",
    status_code=201,
    summary="Rotate a write key",
    tags=["apps"],
    responses=told(NewKeyAnswer, "The new one, with its secret", 404, 409, status=201),
)
async def rotate_key(
    request: Request[Any, Any, Any],
    context: GivenContext,
    app: FromPath[str],
    key: FromPath[str],
    data: JSONBody[Rotation],
) -> Response[bytes]:
    """A new one like it; the old one goes on for `keep_s`, so that senders can change over."""
    by, revision = actor_of(request), seen_revision(request, None)
    made = await context.checks.run(
        lambda: context.backend.directory.keys.rotate(by, app, key, keep_s=data.keep_s, revision=revision)
    )
    return answer(_new_key(*made), 201, revision=made[0].revision)


@delete(
    "/api/v1/apps/{app:str}/keys/{key:str}",
    status_code=204,
    summary="Revoke a write key",
    tags=["apps"],
    responses=told(None, "Refused from now on", 404, 409, status=204),
)
async def revoke_key(
    request: Request[Any, Any, Any], context: GivenContext, app: FromPath[str], key: FromPath[str]
) -> Response[None]:
    """Refused everywhere within `metastore.refresh_s`."""
    by, revision = actor_of(request), seen_revision(request, None)
    await context.checks.run(lambda: context.backend.directory.keys.revoke(by, app, key, revision=revision))
    return nothing()


def _app(app: App) -> AppAnswer:
    return AppAnswer(
        app.name, app.title or app.name, app.team, when(app.made_ns) or "", when(app.archived_ns), app.revision
    )


def _key(key: Key) -> KeyAnswer:
    return KeyAnswer(
        key.id, key.app, key.name, key.prefix, key.origins.split(), when(key.made_ns) or "", key.made_by,
        when(key.expires_ns), key.revision, day_text(key.used_day),
    )  # fmt: skip


def _new_key(key: Key, secret: str) -> NewKeyAnswer:
    return NewKeyAnswer(**msgspec.structs.asdict(_key(key)), secret=secret)
