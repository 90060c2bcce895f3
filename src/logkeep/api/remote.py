"""Remote control: what devices are told to send, for a limited time: `/api/v1/remote`."""

from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta

from logkeep.api.answers import Time, documented, json_answer
from logkeep.api.auth import change_of
from logkeep.api.backend import Context
from logkeep.api.search import GivenContext, GivenCredential
from logkeep.api.times import parse_time
from logkeep.clock import NS_PER_S
from logkeep.errors import InputError
from logkeep.event import NAME_BYTES_MAX
from logkeep.metastore.configuration import NOTHING_SAID, Configuration, Level, Question, Rule
from logkeep.metastore.port import Credential
from logkeep.metastore.remote import LASTS_MAX_S, LASTS_MIN_S, Wanted
from logkeep.store.page import rfc3339

SinceEpochMs = Annotated[int, Meta(description="grows with each time it is asked for; 0: it is not")]


class ConfigurationAnswer(msgspec.Struct):
    """What a device is told now. null: nothing about that, its own setting holds."""

    enabled: bool | None
    min_level: str | None
    sample_rate: float | None
    send_all_now: SinceEpochMs
    until: Annotated[str | None, Meta(description="then it holds no more, RFC 3339")]


class RuleAnswer(msgspec.Struct):
    """One rule, for a device, a user, or all devices that match a query."""

    rule: str
    device: str | None
    user: str | None
    query: str | None
    enabled: bool | None
    min_level: str | None
    sample_rate: float | None
    send_all_now: SinceEpochMs
    until: Time
    active: Annotated[bool, Meta(description="it has not expired")]
    made: Time
    by: str
    why: str
    matched: Annotated[
        int, Meta(description="devices it matched when it was made; 0 where none are listed: a device's id decides")
    ]
    more: Annotated[
        bool,
        Meta(description="it matched more devices than are listed: of those beyond each must say what is asked for"),
    ]


class RulesAnswer(msgspec.Struct):
    """Newest first; those that expired within seven days too. configuration: of the device that was asked for."""

    rules: list[RuleAnswer]
    configuration: ConfigurationAnswer | None
    next: None = None


class NewRule(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One of device, user, query; at least one setting; and until when."""

    device: str | None = None
    user: str | None = None
    query: Annotated[str | None, Meta(description='over devices, as in `os:android keys.plan=gold`; "": all')] = None
    enabled: bool | None = None
    min_level: Level | None = None
    sample_rate: float | None = None
    send_all_now: bool = False
    until: Annotated[
        str | int | None, Meta(description="RFC 3339, epoch ms or relative (`+2h`); a minute to 30 days ahead")
    ] = None
    for_s: Annotated[float | None, Meta(description="or so many seconds from now")] = None
    why: str = ""


Device = Annotated[str, QueryParameter(name="device", description="Only rules that apply to this device now.")]
User = Annotated[str, QueryParameter(name="user", description="With `device`: its user, if not the last it told.")]


@get("/api/v1/remote", summary="Rules", tags=["remote control"], responses=documented(RulesAnswer, "Newest first"))
async def rules(
    context: GivenContext, credential: GivenCredential, device: Device = "", user: User = ""
) -> Response[bytes]:
    """All rules; or with `device` those that apply to it, and what they make together."""
    found = await context.checks.run(lambda: rules_answer(context, credential.app, device, user))
    return json_answer(msgspec.json.encode(found))


@post(
    "/api/v1/remote",
    status_code=201,
    summary="Make a rule",
    tags=["remote control"],
    responses={201: documented(RuleAnswer, "It holds from now on")[200]}
    | {status: spec for status, spec in documented(RuleAnswer, "", 400, 429).items() if status != 200},
)
async def make_rule(
    request: Request[Any, Any, Any], context: GivenContext, credential: GivenCredential, data: JSONBody[NewRule]
) -> Response[bytes]:
    """Devices hear of it with the next thing they send, or ask; it ends by itself."""
    wanted = wanted_of(data, context.clock.now_ns())
    made = await context.checks.run(lambda: make_rule_of(request, context, credential, wanted))
    return json_answer(msgspec.json.encode(rule_answer(made, context.clock.now_ns())), 201)


@get(
    "/api/v1/remote/{rule:str}",
    summary="One rule",
    tags=["remote control"],
    responses=documented(RuleAnswer, "The rule", 404),
)
async def rule(context: GivenContext, credential: GivenCredential, rule: FromPath[str]) -> Response[bytes]:
    """As it stands."""
    found = await context.checks.run(lambda: context.backend.device_directory.remote.named(credential.app, rule))
    return json_answer(msgspec.json.encode(rule_answer(found, context.clock.now_ns())))


@delete(
    "/api/v1/remote/{rule:str}",
    status_code=200,
    summary="End a rule",
    tags=["remote control"],
    responses=documented(RuleAnswer, "The rule, which holds no more", 404),
)
async def end_rule(
    request: Request[Any, Any, Any], context: GivenContext, credential: GivenCredential, rule: FromPath[str]
) -> Response[bytes]:
    """Devices go back to what other rules, or their own settings, say."""
    found = await context.checks.run(lambda: end_rule_of(request, context, credential.app, rule))
    return json_answer(msgspec.json.encode(rule_answer(found, context.clock.now_ns())))


def make_rule_of(
    request: Request[Any, Any, Any], context: Context, credential: Credential, wanted: Wanted
) -> Rule:  # fmt: skip
    """The rule, in force and in the audit log. Blocks. Raises InputError, QuotaExceeded."""
    asked = msgspec.structs.asdict(wanted) | {"send_all_now": wanted.send_all_now or None, "why": wanted.why or None}
    told = {name: value for name, value in asked.items() if name not in ("kind", "target") and value is not None}
    return context.backend.device_directory.remote.make(
        credential.app, wanted, credential.name or credential.scope,
        entries=[change_of(request, "remote.made", credential.app, **{wanted.kind: wanted.target}, **told)],
    )  # fmt: skip


def end_rule_of(request: Request[Any, Any, Any], context: Context, app: str, rule: str) -> Rule:
    """The rule, which holds no more; the audit log says so. Blocks. Raises InputError."""
    remote = context.backend.device_directory.remote
    found = remote.named(app, rule)
    entries = [change_of(request, "remote.ended", app, rule, **{found.kind: found.target})]
    return remote.remove(app, rule, entries=entries)


def rules_answer(context: Context, app: str, device: str, user: str) -> RulesAnswer:
    """Blocks."""
    told, now_ns = context.backend.device_directory, context.clock.now_ns()
    found = told.remote.rules(app)
    if not device:
        return RulesAnswer([rule_answer(one, now_ns) for one in found], None)
    question = question_of(context, app, device, user)
    applying = told.remote.look().rules(app, question, now_ns)
    return RulesAnswer(
        [rule_answer(one, now_ns) for one in found if one.rule in applying],
        configuration_answer(context, app, question),
    )


def question_of(context: Context, app: str, device: str, user: str = "") -> Question:
    """The device as it would ask, by what it told."""
    if len(device.encode("utf-8", "replace")) > NAME_BYTES_MAX:
        raise InputError(f"a device has a name of {NAME_BYTES_MAX} bytes at most", code="name_too_long")
    known = context.backend.device_directory.devices.named(app, [device]).get(device)
    version = known.app_version if known is not None else ""
    return Question(device, user or (known.user if known is not None else ""), version)


def configuration_answer(context: Context, app: str, question: Question) -> ConfigurationAnswer:
    """What it is told now, as this API last read the rules."""
    known = context.backend.device_directory.remote.configurations()
    found = known.of(app, question, context.clock.now_ns()) if known is not None else NOTHING_SAID
    return told_answer(found)


def told_answer(found: Configuration) -> ConfigurationAnswer:
    said = found.settings
    until = rfc3339(found.until_ns) if found.until_ns is not None else None
    return ConfigurationAnswer(said.enabled, said.min_level, said.sample_rate, said.send_all_now, until)


def wanted_of(asked: NewRule, now_ns: int) -> Wanted:
    """Raises InputError."""
    targets: list[tuple[Literal["device", "user", "query"], str | None]] = [
        ("device", asked.device), ("user", asked.user), ("query", asked.query),
    ]  # fmt: skip
    given = [(kind, target) for kind, target in targets if target is not None]
    if len(given) != 1:
        raise InputError("name one of `device`, `user`, `query`", code="bad_target")
    ((kind, target),) = given
    if (asked.until is None) == (asked.for_s is None):
        raise InputError(
            f"say `until` or `for_s`: {LASTS_MIN_S} s to {LASTS_MAX_S // 86_400} days from now", code="bad_until"
        )
    lasts_s = asked.for_s if asked.for_s is not None else (parse_time(str(asked.until), now_ns) - now_ns) / NS_PER_S
    return Wanted(
        kind=kind,
        target=target or "",
        lasts_s=lasts_s,
        enabled=asked.enabled,
        min_level=asked.min_level,
        sample_rate=asked.sample_rate,
        send_all_now=asked.send_all_now,
        why=asked.why,
    )


def rule_answer(rule: Rule, now_ns: int) -> RuleAnswer:
    said = rule.settings
    return RuleAnswer(
        rule=rule.rule,
        device=rule.target if rule.kind == "device" else None,
        user=rule.target if rule.kind == "user" else None,
        query=rule.target if rule.kind == "query" else None,
        enabled=said.enabled,
        min_level=said.min_level,
        sample_rate=said.sample_rate,
        send_all_now=said.send_all_now,
        until=rfc3339(rule.until_ns),
        active=rule.until_ns > now_ns,
        made=rfc3339(rule.made_ns),
        by=rule.by,
        why=rule.why,
        matched=rule.matched,
        more=rule.more,
    )
