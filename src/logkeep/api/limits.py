"""How much an app may send, how much it has sent: `/api/v1/apps/{app}/limits`."""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, put
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from logkeep.api.answers import documented
from logkeep.api.auth import caller_of, change_of
from logkeep.api.bodies import answer as answered
from logkeep.api.bodies import preconditioned
from logkeep.api.search import GivenContext
from logkeep.counters import usage
from logkeep.counters.buckets import reserve_of
from logkeep.counters.usage import Phase
from logkeep.errors import BackendUnavailable
from logkeep.metastore.limits import ComponentLimits, InForce, Kept, Limits
from logkeep.store.page import rfc3339

BODY_BYTES_MAX = 64 * 1024


class DayUse(msgspec.Struct):
    """used: in the last 24 hours. left: what may come at once now; it comes back at limit / 24 an hour."""

    used: Annotated[int | None, Meta(description="null: without a limit it is not counted")]
    limit: Annotated[int | None, Meta(description="null: no limit")]
    left: int | None


class RateUse(msgspec.Struct):
    """used: events a second that were let in, the mean of the last ten whole seconds by the clock."""

    used: Annotated[float | None, Meta(description="null: without a limit it is not counted")]
    limit: Annotated[float | None, Meta(description="null: no limit")]


class ComponentUse(msgspec.Struct):
    """Of a component that has limits of its own."""

    events_per_day: DayUse
    bytes_per_day: DayUse
    events_per_second: RateUse


class Use(msgspec.Struct):
    """phase: grace: over a day's limit for less than `limits.grace_s`, so slowed; over: what is over is left out;
    within too where the app has no limit of a day."""

    events_per_day: DayUse
    bytes_per_day: DayUse
    phase: Phase
    over_since: Annotated[str | None, Meta(description="RFC 3339, to the second; of several receivers the mean")]
    events_per_second: RateUse
    components: dict[str, ComponentUse]


class LimitsAnswer(msgspec.Struct):
    """limits: as they were set. in_force: with those of the settings. use: null while the counters are away."""

    app: str
    limits: Limits
    in_force: InForce
    retention_days: int
    version: Annotated[int, Meta(description="send it with a change, so that none is lost")]
    changed: str | None
    changed_by: str | None
    use: Use | None


class LimitsChange(msgspec.Struct, forbid_unknown_fields=True):
    """All limits of the app; those that are not named are as the settings say."""

    limits: Limits
    version: Annotated[
        int | None, Meta(description="as the answer had it; 409 when somebody changed them since. null: whatever")
    ] = None


@get(
    "/api/v1/apps/{app:str}/limits",
    summary="Limits of an app",
    tags=["limits"],
    responses=documented(LimitsAnswer, "Limits and use", 404),
)
async def limits(context: GivenContext, app: FromPath[str]) -> Response[bytes]:
    """What is limited, and how much of it is used. 0: no limit; null: as the settings say. `ETag` is the version."""
    return await context.checks.run(lambda: _answer(context, app, context.backend.limits.of(app)))


@put(
    "/api/v1/apps/{app:str}/limits",
    summary="Change the limits of an app",
    tags=["limits"],
    request_max_body_size=BODY_BYTES_MAX,
    responses=documented(LimitsAnswer, "As they are now", 404, 409, 412),
)
async def change_limits(
    request: Request[Any, Any, Any], context: GivenContext, app: FromPath[str], data: JSONBody[LimitsChange]
) -> Response[bytes]:
    """Everywhere in force within `metastore.refresh_s`. With `If-Match` only what was seen is changed (412)."""

    def put_and_answer() -> Response[bytes]:
        by, given = caller_of(request).name, _set(data.limits)
        with preconditioned(request, data.version) as version:
            entries = [change_of(request, "limits.changed", app, app, **given)]
            return _answer(
                context, app, context.backend.limits.put(app, data.limits, by=by, version=version, entries=entries)
            )

    return await context.checks.run(put_and_answer)


def _answer(context: GivenContext, app: str, kept: Kept) -> Response[bytes]:
    backend = context.backend
    in_force = backend.limits.in_force(app)
    answer = LimitsAnswer(
        app, kept.limits, in_force, backend.limits.retention_days(app), kept.version,
        rfc3339(kept.changed_ns) if kept.changed_ns else None, kept.changed_by or None, _use(context, app, in_force),
    )  # fmt: skip
    return answered(answer, revision=kept.version)


def _set(limits: Limits) -> dict[str, Any]:
    """Those that do not leave it to the settings."""
    found = {name: value for name, value in msgspec.structs.asdict(limits).items() if value not in (None, {})}
    return found | ({"components": msgspec.json.encode(limits.components).decode()} if limits.components else {})


def _use(context: GivenContext, app: str, in_force: InForce) -> Use | None:
    now_ns = context.clock.now_ns()
    names = {name: usage.of_component(app, name) for name in in_force.components}
    slot = usage.rate_slot(now_ns) - 1
    keys = [*usage.keys(app, now_ns), usage.rate_key(app, slot)]
    for name, own in in_force.components.items():
        keys += _component_keys(names[name], own, now_ns, slot)
    try:
        totals = dict(zip(keys, context.backend.counters.read(keys), strict=True))
    except BackendUnavailable:
        return None
    hours = usage.Hours.read(app, totals, now_ns)
    error_share = context.settings.limits.error_share
    since_s = hours.over_since_s() if in_force.events_per_day or in_force.bytes_per_day else 0

    def of_component(name: str, own: ComponentLimits) -> ComponentUse:
        hours = usage.Hours.read(names[name], totals, now_ns)
        rate = in_force.component_events_per_second if own.events_per_second is None else own.events_per_second
        return ComponentUse(
            _day(hours.events, own.events_per_day, error_share, now_ns),
            _day(hours.bytes, own.bytes_per_day, error_share, now_ns),
            _rate(totals.get(usage.rate_key(names[name], slot), 0), rate),
        )

    return Use(
        _day(hours.events, in_force.events_per_day, error_share, now_ns),
        _day(hours.bytes, in_force.bytes_per_day, error_share, now_ns),
        usage.phase(since_s, now_ns / 1e9, context.settings.limits.grace_s),
        rfc3339(since_s * 1_000_000_000) if since_s else None,
        _rate(totals[usage.rate_key(app, slot)], in_force.events_per_second),
        {name: of_component(name, own) for name, own in in_force.components.items()},
    )


def _component_keys(who: str, own: ComponentLimits, now_ns: int, slot: int) -> list[str]:
    limited: tuple[tuple[usage.What, int | None], ...] = (("events", own.events_per_day), ("bytes", own.bytes_per_day))
    whats = [what for what, limit in limited if limit]
    return [*usage.keys(who, now_ns, whats), usage.rate_key(who, slot)]


def _day(by_hour: Sequence[int], limit: int | None, error_share: float, now_ns: int) -> DayUse:
    if not limit:
        return DayUse(None, None, None)
    left, _ = usage.left(by_hour, limit, reserve_of(limit, error_share), now_ns)
    return DayUse(usage.used(by_hour, now_ns), limit, max(0, int(left)))


def _rate(events: int, limit: float) -> RateUse:
    return RateUse(events / usage.RATE_S, limit) if limit else RateUse(None, None)
