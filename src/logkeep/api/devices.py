"""Devices with what they told of themselves: `/api/v1/devices` with `where`, `/api/v1/devices/{device}`."""

import hashlib
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, delete, get, patch
from litestar.params import JSONBody
from msgspec import Meta

from logkeep.api.answers import ActivityAnswer, Cost, Time, documented, json_answer
from logkeep.api.auth import change_of, name_in_path
from logkeep.api.backend import Context
from logkeep.api.costs import cost_members
from logkeep.api.cursors import pack_cursor, unpack_cursor
from logkeep.api.remote import ConfigurationAnswer, rules_answer, told_answer
from logkeep.api.search import GivenContext, GivenCredential
from logkeep.decode.devices import Device
from logkeep.errors import BackendUnavailable, InputError
from logkeep.event import Scalar
from logkeep.metastore.configuration import NOTHING_SAID, Configuration, Question
from logkeep.metastore.devices import Place, unknown
from logkeep.query import ast
from logkeep.query.device_parser import parse_device_query
from logkeep.store.page import rfc3339
from logkeep.store.port import Activity, ActivityRequest
from logkeep.store.reading import Reading

WHERE_LIMIT_MAX = 200  # devices a page that is looked for by what they told: each is a condition for the store
PREFIX = "/api/v1/devices/"


class RegisteredAnswer(msgspec.Struct):
    """What the device told of itself, and what people call it. "": not told."""

    label: Annotated[str, Meta(description="what people call it")]
    name: str
    model: str
    os: str
    os_version: str
    app_version: str
    language: str
    sdk: str
    user: Annotated[str, Meta(description="the last one it told")]
    keys: Annotated[dict[str, Scalar], Meta(description="its custom keys")]
    first: Annotated[str, Meta(description="when it told something first, RFC 3339")]
    last: Annotated[str, Meta(description="when it told something last, RFC 3339")]


class DeviceAnswer(ActivityAnswer):
    """A device. first, last: null where no event of it is in the range."""

    first: str | None  # type: ignore[assignment]
    last: str | None  # type: ignore[assignment]
    registered: RegisteredAnswer | None
    remote: Annotated[ConfigurationAnswer | None, Meta(description="what it is told now; null: nothing")]


class DevicesAnswer(Cost):
    """A page, latest first. With `where` a page may have few devices or none, and `next` all the same."""

    devices: list[DeviceAnswer]
    next: str | None


class OneDeviceAnswer(msgspec.Struct):
    device: str
    registered: RegisteredAnswer | None
    remote: ConfigurationAnswer | None


class DeviceChange(msgspec.Struct, forbid_unknown_fields=True):
    """label: what people call it; "" takes it away."""

    label: str


class ForgottenAnswer(msgspec.Struct):
    """What was kept of the device is gone, and rules for it alone; its events are not: see erasing."""

    device: str
    forgotten: Time


class _Page(msgspec.Struct, frozen=True, array_like=True):
    """Where the next page begins. search: a digest of app and query."""

    search: bytes
    place: Place


@get(
    "/api/v1/devices/{device:path}",
    summary="One device",
    tags=["devices"],
    responses=documented(OneDeviceAnswer, "What it told, and what it is told", 404),
)
async def device(
    request: Request[Any, Any, Any], context: GivenContext, credential: GivenCredential
) -> Response[bytes]:
    """What it told of itself, and what remote control tells it. What it did: `/api/v1/devices?device=`.

    With `/remote` behind it: the rules that apply to it, as `/api/v1/remote?device=` has them.
    """
    name = name_in_path(request, PREFIX)
    if request.scope["raw_path"].endswith(b"/remote") and "/" in name:  # a slash within a name is written %2F
        name = name.removesuffix("/remote")
        rules = await context.checks.run(lambda: rules_answer(context, credential.app, name, ""))
        return json_answer(msgspec.json.encode(rules))

    def found() -> OneDeviceAnswer:
        known = context.backend.device_directory.devices.named(credential.app, [name]).get(name)
        configuration = configuration_of(context, credential.app, name, known)
        if known is None and configuration is NOTHING_SAID:
            raise unknown(name)
        return OneDeviceAnswer(name, registered_answer(known), _told(configuration))

    return json_answer(msgspec.json.encode(await context.checks.run(found)))


@patch(
    "/api/v1/devices/{device:path}",
    status_code=200,
    summary="Name a device",
    tags=["devices"],
    responses=documented(OneDeviceAnswer, "The device", 400, 404),
)
async def change_device(
    request: Request[Any, Any, Any], context: GivenContext, credential: GivenCredential, data: JSONBody[DeviceChange]
) -> Response[bytes]:
    """A label that people see and search by; what the device tells of itself does not touch it."""
    name = name_in_path(request, PREFIX)
    known = await context.checks.run(
        lambda: context.backend.device_directory.devices.label(
            credential.app,
            name,
            data.label,
            entries=[change_of(request, "device.labelled", credential.app, name, label=data.label)],
        )
    )
    configuration = configuration_of(context, credential.app, name, known)
    return json_answer(msgspec.json.encode(OneDeviceAnswer(name, registered_answer(known), _told(configuration))))


@delete(
    "/api/v1/devices/{device:path}",
    status_code=200,
    summary="Forget a device",
    tags=["devices"],
    responses=documented(ForgottenAnswer, "It is forgotten until it tells something again", 404),
)
async def forget_device(
    request: Request[Any, Any, Any], context: GivenContext, credential: GivenCredential
) -> Response[bytes]:
    """What it told of itself and rules for it alone go. Its events stay: `DELETE /api/v1/events?query=device=…`."""
    name = name_in_path(request, PREFIX)
    if not await context.checks.run(
        lambda: context.backend.device_directory.remote.forget_device(
            credential.app, name, entries=[change_of(request, "device.forgotten", credential.app, name)]
        )
    ):
        raise unknown(name)
    forgotten = ForgottenAnswer(name, rfc3339(context.clock.now_ns()))
    return json_answer(msgspec.json.encode(forgotten))


# ── in lists ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def found_by_what_they_told(
    context: Context, reading: Reading, request: ActivityRequest, where: str, cursor: str | None
) -> tuple[list[tuple[str, Activity | None, Device]], str | None]:
    """A page of devices, latest told first, each with what it did; and the next cursor. Blocks.

    With a condition on events, devices without such events are left out.
    """
    app = request.app
    query = parse_device_query(where, chars_max=context.settings.api.query_chars_max)
    digest = hashlib.blake2b(msgspec.msgpack.encode((app, query)), digest_size=8).digest()
    page = context.backend.device_directory.devices.find(
        app,
        query,
        limit=min(request.limit, WHERE_LIMIT_MAX),
        after=_place(cursor, digest) if cursor else None,
        enabled=lambda device: configuration_of(context, app, device.device, device).settings.enabled is not False,
    )
    did = _activities(context, reading, request, [device.device for device in page.devices])
    rows = [(device.device, did.get(device.device), device) for device in page.devices]
    if not isinstance(request.query, ast.All):
        rows = [row for row in rows if row[1] is not None]
    return rows, pack_cursor(_Page(digest, page.next)) if page.next is not None else None


def _activities(
    context: Context, reading: Reading, request: ActivityRequest, names: Sequence[str]
) -> dict[str, Activity]:
    if not names:
        return {}
    named = [ast.Equals("device", name) for name in names]
    mine: ast.Query = ast.Or(tuple(named)) if len(named) > 1 else named[0]
    query = mine if isinstance(request.query, ast.All) else ast.And((mine, request.query))
    asked = msgspec.structs.replace(request, query=query, limit=len(names), cursor=None)
    return {row.name: row for row in context.backend.store.activity(reading, asked).rows}


def registered(context: Context, app: str, names: Sequence[str]) -> dict[str, Device]:
    """What is known of these; nothing while the metastore is away: what they did is worth telling all the same."""
    try:
        return context.backend.device_directory.devices.named(app, names)
    except BackendUnavailable:
        return {}


def configuration_of(context: Context, app: str, name: str, known: Device | None) -> Configuration:
    """What it is told now, as this API last read the rules."""
    configurations = context.backend.device_directory.remote.configurations()
    if configurations is None:
        return NOTHING_SAID
    question = Question(name, known.user, known.app_version) if known is not None else Question(name)
    return configurations.of(app, question, context.clock.now_ns())


def device_answer(context: Context, app: str, row: ActivityAnswer, known: Device | None) -> DeviceAnswer:
    configuration = configuration_of(context, app, row.device or "", known)
    return DeviceAnswer(**msgspec.structs.asdict(row), registered=registered_answer(known), remote=_told(configuration))


def devices_members(devices: Sequence[DeviceAnswer], next: str | None, reading: Reading) -> bytes:
    members = {"devices": devices, "next": next}
    return b"%b,%b}" % (msgspec.json.encode(members)[:-1], cost_members(reading))


def registered_answer(known: Device | None) -> RegisteredAnswer | None:
    if known is None:
        return None
    return RegisteredAnswer(
        label=known.label,
        name=known.name,
        model=known.model,
        os=known.os,
        os_version=known.os_version,
        app_version=known.app_version,
        language=known.language,
        sdk=known.sdk,
        user=known.user,
        keys=known.keys,
        first=rfc3339(known.first_ns),
        last=rfc3339(known.last_ns),
    )


def _told(configuration: Configuration) -> ConfigurationAnswer | None:
    return None if configuration is NOTHING_SAID else told_answer(configuration)


def _place(cursor: str, digest: bytes) -> Place:
    """Raises InputError (code "bad_cursor")."""
    page = unpack_cursor(cursor, _Page)
    if page.search != digest:
        raise InputError("the cursor belongs to another list; pass it with the same parameters", code="bad_cursor")
    return page.place
