"""What a device told, and what it is told, for its page; and the forms of remote control.

The forms name the device percent-encoded: a browser changes what it does not like in a field.
"""

from typing import Any
from urllib.parse import unquote

import msgspec
from litestar import Request, Response, post
from litestar.params import FromPath
from litestar.response import Redirect

from logkeep.api.backend import Context
from logkeep.api.devices import configuration_of, registered
from logkeep.api.forms import FORM_BYTES_MAX, form_of
from logkeep.api.links import named_url
from logkeep.api.remote import end_rule_of, make_rule_of
from logkeep.api.rows import format_span
from logkeep.api.search import GivenContext, GivenCredential
from logkeep.decode.devices import TEXTS
from logkeep.errors import BackendUnavailable, InputError
from logkeep.metastore.configuration import NOTHING_SAID, Configuration, Question, Rule
from logkeep.metastore.remote import Wanted
from logkeep.query.match import attribute_text

# What a person may choose on the page: words, and what it means.
CHOICES: dict[str, tuple[str, dict[str, Any]]] = {
    "trace": ("send everything, trace and up", {"enabled": True, "min_level": "trace", "sample_rate": 1.0}),
    "debug": ("send debug and up", {"enabled": True, "min_level": "debug", "sample_rate": 1.0}),
    "all": ("send all it has, once", {"send_all_now": True}),
    "off": ("send nothing, go on buffering", {"enabled": False}),
}
TIMES = ((3600, "1 hour"), (4 * 3600, "4 hours"), (86_400, "1 day"), (7 * 86_400, "7 days"))
WORDS = {
    "name": "name", "model": "model", "os": "system", "os_version": "its version", "app_version": "app",
    "language": "language", "sdk": "SDK",
}  # fmt: skip


class ShownRule(msgspec.Struct, frozen=True):
    rule: str
    whom: str
    says: str
    left: str
    by: str
    why: str


class DeviceFacts(msgspec.Struct, frozen=True):
    """facts, keys: name and text. told: what it is told now, in words; "" for nothing."""

    label: str
    user: str
    facts: list[tuple[str, str]]
    keys: list[tuple[str, str]]
    told: str
    rules: list[ShownRule]
    known: bool


def device_facts(context: Context, app: str, name: str) -> DeviceFacts:
    """Blocks. While the metastore is away nothing is known."""
    known = registered(context, app, [name]).get(name)
    configuration = configuration_of(context, app, name, known)
    facts = [(WORDS[text], getattr(known, text)) for text in TEXTS if known is not None and getattr(known, text)]
    keys = sorted((key, attribute_text(value)) for key, value in (known.keys if known is not None else {}).items())
    return DeviceFacts(
        label=known.label if known is not None else "",
        user=known.user if known is not None else "",
        facts=facts,
        keys=keys,
        told=_words(configuration),
        rules=_rules(context, app, name, known.user if known else "", known.app_version if known else ""),
        known=known is not None or configuration is not NOTHING_SAID,
    )


def _rules(context: Context, app: str, name: str, user: str, version: str) -> list[ShownRule]:
    now_ns, remote = context.clock.now_ns(), context.backend.device_directory.remote
    configurations = remote.configurations()
    if configurations is None:
        return []
    applying = configurations.rules(app, Question(name, user, version), now_ns)
    try:
        rules = [rule for rule in remote.rules(app) if rule.rule in applying] if applying else []
    except BackendUnavailable:
        return []
    return [
        ShownRule(
            rule.rule,
            _whom(rule),
            _settings(rule),
            format_span(rule.until_ns - now_ns).split(".")[0],
            rule.by,
            rule.why,
        )
        for rule in rules
    ]


def _whom(rule: Rule) -> str:
    return {"device": "this device", "user": f"user {rule.target}", "query": rule.target or "all devices"}[rule.kind]


def _settings(rule: Rule) -> str:
    return ", ".join(_said(rule.settings))


def _words(configuration: Configuration) -> str:
    return ", ".join(_said(configuration.settings))


def _said(said: Any) -> list[str]:
    words = []
    if said.enabled is not None:
        words.append("send" if said.enabled else "send nothing")
    if said.min_level is not None:
        words.append(f"{said.min_level} and up")
    if said.sample_rate is not None:
        words.append(f"{said.sample_rate:.3g} of all sessions")
    if said.send_all_now:
        words.append("all it has, once")
    return words


@post("/remote", include_in_schema=False, request_max_body_size=FORM_BYTES_MAX)
async def make_rule_page(
    request: Request[Any, Any, Any], context: GivenContext, credential: GivenCredential
) -> Response[Any]:
    """The form on the page of a device: a rule for it, and back to the page."""
    form = form_of(await request.body())
    device, choice, lasts = unquote(form.get("device", "")), form.get("what", ""), form.get("for", "")
    if choice not in CHOICES or lasts not in {str(seconds) for seconds, _ in TIMES} or not device:
        raise InputError("this form was not made here: send it from the page of the device")
    wanted = Wanted("device", device, float(lasts), why=form.get("why", "")[:500], **CHOICES[choice][1])
    await context.checks.run(lambda: make_rule_of(request, context, credential, wanted))
    return Redirect(named_url("device", device), status_code=303)


@post("/remote/{rule:str}/end", include_in_schema=False, request_max_body_size=FORM_BYTES_MAX)
async def end_rule_page(
    request: Request[Any, Any, Any], context: GivenContext, credential: GivenCredential, rule: FromPath[str]
) -> Response[Any]:
    """The rule holds no more; back to the device whose page it was ended on."""
    form = form_of(await request.body())
    await context.checks.run(lambda: end_rule_of(request, context, credential.app, rule))
    device = unquote(form.get("device", ""))
    return Redirect(named_url("device", device) if device else "/devices", status_code=303)
