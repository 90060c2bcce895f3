"""The configuration of every device, from the rules of remote control: asked from memory on the hot path.

Of the rules that apply to a device the more particular one decides each setting: a rule for the device, else one for
its user, else one for a query; of two alike the one made last. What no rule says is null: the device's own choice.
"""

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Literal

import msgspec

from logkeep.clock import NS_PER_S

if TYPE_CHECKING:
    from logkeep.metastore.query_rules import QueryRule

ANSWERS_MAX = 20_000  # remembered of one app; then they are found again

Target = Literal["device", "user", "query"]
Level = Literal["trace", "debug", "info", "warn", "error", "fatal"]
_RANK: dict[str, int] = {"query": 0, "user": 1, "device": 2}


class Settings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a rule says; None: nothing about it. send_all_now: a number that grows with each time it is asked for."""

    enabled: bool | None = None
    min_level: Level | None = None
    sample_rate: float | None = None
    send_all_now: int = 0


class Rule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What senders are told for a time. target: the device, the user, or the query. until_ns: ns UTC.

    by, why: for those who wonder later. matched: devices of a query or a user when it was made; more: there were more
    than are kept.
    """

    rule: str
    app: str
    kind: Target
    target: str
    settings: Settings
    made_ns: int
    until_ns: int
    by: str
    why: str = ""
    matched: int = 0
    more: bool = False


class Question(msgspec.Struct, frozen=True):
    """Who asks: what the sender says of itself. user, version: "" for untold."""

    device: str
    user: str = ""
    version: str = ""


class Configuration(msgspec.Struct, frozen=True):
    """until_ns: from then on the settings are void; None: there are none. etag: names the settings, not the time."""

    settings: Settings
    until_ns: int | None
    etag: str

    def body(self, now_ns: int) -> bytes:
        """As JSON. for_s: the seconds left, for devices whose clock is wrong."""
        until, left = None, None
        if self.until_ns is not None:
            until = _rfc3339(self.until_ns)
            left = max(0, -(-(self.until_ns - now_ns) // NS_PER_S))
        told = self.settings
        return msgspec.json.encode(
            {
                "enabled": told.enabled,
                "min_level": told.min_level,
                "sample_rate": told.sample_rate,
                "send_all_now": told.send_all_now,
                "until": until,
                "for_s": left,
                "etag": self.etag,
            }
        )


def _rfc3339(time_ns: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(time_ns // NS_PER_S, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def configuration_of(rules: Sequence[Rule]) -> Configuration:
    """What these rules make together."""
    enabled: bool | None = None
    min_level: Level | None = None
    sample_rate: float | None = None
    send_all_now = 0
    for rule in sorted(rules, key=lambda rule: (_RANK[rule.kind], rule.made_ns)):
        told = rule.settings
        enabled = enabled if told.enabled is None else told.enabled
        min_level = min_level if told.min_level is None else told.min_level
        sample_rate = sample_rate if told.sample_rate is None else told.sample_rate
        send_all_now = max(send_all_now, told.send_all_now)
    settings = Settings(enabled=enabled, min_level=min_level, sample_rate=sample_rate, send_all_now=send_all_now)
    until_ns = min((rule.until_ns for rule in rules), default=None)
    digest = blake2b(msgspec.json.encode((settings, until_ns)), digest_size=8).hexdigest()
    return Configuration(settings, until_ns, f'"{digest}"')


NOTHING_SAID = configuration_of(())


class _AppRules:
    """The rules of one app, by whom they are for. sets: of those for a query or a user, by device that was listed."""

    def __init__(self) -> None:
        self.all: list[Rule] = []
        self.by_device: dict[str, list[Rule]] = {}
        self.by_user: dict[str, list[Rule]] = {}
        self.by_query: list[QueryRule] = []
        self.sets: dict[str, list[Rule]] = {}
        self.answers: dict[Question, tuple[Configuration, int]] = {}

    def add(self, rule: Rule, matched: Iterable[str]) -> None:
        self.all.append(rule)
        if rule.kind == "device":
            self.by_device.setdefault(rule.target, []).append(rule)
            return
        if rule.kind == "user":
            self.by_user.setdefault(rule.target, []).append(rule)
        else:
            from logkeep.metastore.query_rules import QueryRule

            self.by_query.append(QueryRule(rule))
        for device in matched:
            self.sets.setdefault(device, []).append(rule)

    def applying(self, question: Question, now_ns: int) -> list[Rule]:
        return [rule for rule in self._for(question) if rule.until_ns > now_ns]

    def of(self, question: Question, now_ns: int) -> Configuration:
        found = self.answers.get(question)
        if found is not None and now_ns < found[1]:
            return found[0]
        applying = self.applying(question, now_ns)
        configuration = configuration_of(applying) if applying else NOTHING_SAID
        if len(self.answers) >= ANSWERS_MAX:
            self.answers.clear()
        # Rules begin when they are read, and end by themselves.
        self.answers[question] = configuration, configuration.until_ns or now_ns + 3600 * NS_PER_S
        return configuration

    def _for(self, question: Question) -> list[Rule]:
        rules, listed = [*self.by_device.get(question.device, ())], self.sets.get(question.device, ())
        # A sender that names its user is asked about that one, not about the last one it had.
        if question.user:
            rules += self.by_user.get(question.user, ())
        else:
            rules += [rule for rule in listed if rule.kind == "user"]
        if self.by_query:
            from logkeep.metastore.query_rules import applying

            rules += applying(self.by_query, question, listed)
        return rules


class Configurations:
    """Those of all apps, as of one look at the rules."""

    def __init__(self, rules: Iterable[tuple[Rule, Sequence[str]]] = (), change: int = 0) -> None:
        """rules: each with the devices it matches. change: of the topic, as they were read."""
        self.change = change
        self._apps: dict[str, _AppRules] = {}
        for rule, matched in rules:
            self._apps.setdefault(rule.app, _AppRules()).add(rule, matched)

    def has_rules(self, app: str) -> bool:
        """Whether `of` may say anything."""
        return app in self._apps

    def rules(self, app: str, question: Question, now_ns: int) -> frozenset[str]:
        """The names of those that apply."""
        rules = self._apps.get(app)
        return frozenset(rule.rule for rule in rules.applying(question, now_ns)) if rules is not None else frozenset()

    def of(self, app: str, question: Question, now_ns: int) -> Configuration:
        """What the device is to do now."""
        rules = self._apps.get(app)
        return rules.of(question, now_ns) if rules is not None else NOTHING_SAID
