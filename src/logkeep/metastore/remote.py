"""Remote control: rules that tell devices for a limited time what to send, and the devices that each matches.

Which devices a query matches is found when the rule is made, and again for each device that tells something of itself:
both wait for each other. Receivers read rules and matches into memory when they have changed.
"""

import secrets
from collections.abc import Callable, Iterable, Sequence

import msgspec

from logkeep.clock import NS_PER_DAY, NS_PER_MS, NS_PER_S, Clock
from logkeep.decode.devices import Device
from logkeep.errors import InputError, QuotaExceeded
from logkeep.metastore import devices
from logkeep.metastore.audit import Entry, record
from logkeep.metastore.configuration import Configurations, Rule, Settings, Target
from logkeep.metastore.database import Database, Transaction, bump
from logkeep.metastore.known_rules import TOPIC, KnownRules, rules_in
from logkeep.query import ast
from logkeep.query.device_parser import fields_of, is_by_name, parse_device_query
from logkeep.query.match import matcher

LASTS_MIN_S, LASTS_MAX_S = 60, 30 * 86_400  # nobody remembers a rule for longer, and it costs battery
RULES_MAX = 500  # of an app, not expired
QUERIES_MAX = 20  # of them by query: each is asked about each device that tells something
MATCHES_MAX = 20_000  # devices listed of one rule; those that say all that its query asks for need no list
ASKED_MAX = 2_000  # devices of an app that are asked for all they have because of an issue; the oldest make room
ASKED_S = 86_400
ASKED_AGAIN_S = 60  # a device that crashes again and again is not asked, and every receiver told of it, each time
SHOWN_AFTER_NS = 7 * NS_PER_DAY  # an expired rule is listed for so long
WHY_CHARS_MAX = 500

Asks = Callable[[Device], bool]


class Wanted(msgspec.Struct, frozen=True):
    """A rule to be made. lasts_s: from now on. send_all_now: once more."""

    kind: Target
    target: str
    lasts_s: float
    enabled: bool | None = None
    min_level: str | None = None
    sample_rate: float | None = None
    send_all_now: bool = False
    why: str = ""


class Remote:
    """Rules of all apps, shared by all instances. Raises BackendUnavailable, CorruptData where it asks the database.

    `configurations` alone is answered from memory: changes made elsewhere are seen `refresh_s` later at most, and it
    goes on as it was known while the database is away.
    """

    def __init__(self, database: Database, clock: Clock, *, refresh_s: float) -> None:
        """`open` before `configurations` is asked."""
        self._database, self._clock = database, clock
        self._known = KnownRules(database, clock, refresh_s=refresh_s)

    def open(self) -> "Remote":
        """Rules are known, and looked at from now on. While the database is away none are known yet."""
        self._known.open()
        return self

    def close(self) -> None:
        self._known.close()

    def look(self) -> Configurations:
        """As they are now. Raises BackendUnavailable."""
        return self._known.look()

    def configurations(self) -> Configurations | None:
        """From memory; never raises. None: they were never read."""
        return self._known.configurations()

    def make(self, app: str, wanted: Wanted, by: str, *, entries: Sequence[Entry] = ()) -> Rule:
        """A rule that holds from now on. entries: what the audit log is told with it; the rule's name is their target.

        Raises InputError, QuotaExceeded.
        """
        rule = _checked(app, wanted, by, self._clock.now_ns())

        def insert(transaction: Transaction) -> None:
            bump(transaction, devices.TOPIC)  # who registers devices from here on sees the rule, and asks it
            bump(transaction, TOPIC)
            if _named(transaction, rule.rule) is None:
                _refuse_too_many(transaction, rule, self._clock.now_ns())
                insert_rule(transaction, rule)
                record(transaction, [msgspec.structs.replace(entry, target=rule.rule) for entry in entries])

        self._database.write(insert)
        if has_set(rule):
            rule = self._match(rule)
        self._known.look()
        return rule

    def rules(self, app: str) -> list[Rule]:
        """Newest first, those that have expired lately too."""
        after = self._clock.now_ns() - SHOWN_AFTER_NS
        return sorted(
            self._database.read(lambda transaction: _of_app(transaction, app, after)), key=lambda rule: -rule.made_ns
        )

    def named(self, app: str, name: str) -> Rule:
        """Raises InputError (404)."""
        found = self._database.read(lambda transaction: _named(transaction, name)) if _is_name(name) else None
        if found is None or found.app != app:
            raise InputError(f"there is no rule {name[:40]!r}", code="not_found", status=404)
        return found

    def remove(self, app: str, name: str, *, entries: Sequence[Entry] = ()) -> Rule:
        """It holds no more. Raises InputError (404)."""
        rule = self.named(app, name)

        def delete(transaction: Transaction) -> None:
            bump(transaction, TOPIC)
            if remove_rules(transaction, [name]):
                record(transaction, entries)

        self._database.write(delete)
        self._known.look()
        return rule

    def forget_device(self, app: str, device: str, *, entries: Sequence[Entry] = ()) -> bool:
        """Whether anything was known of it; neither what it told nor its own rules are there any more."""

        def delete(transaction: Transaction) -> bool:
            bump(transaction, devices.TOPIC)
            bump(transaction, TOPIC)
            rules = remove_rules(transaction, _rules_for(transaction, app, "device", device))
            found = devices.remove(transaction, [devices.id_of(app, "device", device)]) + rules > 0
            if found:
                record(transaction, entries)
            return found

        found = self._database.write(delete)
        self._known.look()
        return found

    def _match(self, rule: Rule) -> Rule:
        """The rule with the devices that it matches, found page by page."""
        asks, after, count, more = asking(rule), None, 0, False
        query = ast.Equals("user", rule.target) if rule.kind == "user" else parse_device_query(rule.target)
        while True:
            page = self._database.write(
                lambda transaction, after=after, room=MATCHES_MAX - count: _match_page(  # type: ignore[misc]
                    transaction, rule, query, asks, after, room
                )
            )
            count, after, more = count + page.matched, page.next, page.full
            if after is None or more:
                break
        rule = msgspec.structs.replace(rule, matched=count, more=more)
        self._database.write(lambda transaction: _settled(transaction, rule))
        return rule


class _Matched(msgspec.Struct, frozen=True):
    matched: int
    next: devices.Place | None
    full: bool


def has_set(rule: Rule) -> bool:
    """Whether the devices that it is for are listed: who asks may not say what decides it."""
    return rule.kind == "user" or (rule.kind == "query" and not is_by_name(parse_device_query(rule.target)))


def asking(rule: Rule) -> Asks:
    """Whether a device is one of the rule's, as a function."""
    if rule.kind == "user":
        return lambda device: device.user == rule.target
    matches = matcher(parse_device_query(rule.target))
    return lambda device: matches(devices.as_event(device))


def _checked(app: str, wanted: Wanted, by: str, now_ns: int) -> Rule:
    """Raises InputError."""
    if not LASTS_MIN_S <= wanted.lasts_s <= LASTS_MAX_S:
        raise InputError(
            f"a rule holds {LASTS_MIN_S} s to {LASTS_MAX_S // 86_400} days, not {wanted.lasts_s:,.12g} s; set `until`",
            code="bad_until",
        )
    if wanted.kind == "query":
        if "attributes.enabled" in fields_of(parse_device_query(wanted.target)):
            raise InputError("a rule cannot ask for `enabled`: that is what rules decide", code="bad_target")
    elif not wanted.target or len(wanted.target.encode("utf-8", "replace")) > 512:
        raise InputError(f"name the {wanted.kind} in 1 to 512 bytes", code="bad_target")
    if wanted.sample_rate is not None and not 0 <= wanted.sample_rate <= 1:
        raise InputError(f"sample_rate is 0 to 1, not {wanted.sample_rate:g}", code="bad_sample_rate")
    if len(wanted.why) > WHY_CHARS_MAX:
        raise InputError(f"`why` has {WHY_CHARS_MAX} characters at most", code="bad_why")
    told = Settings(
        enabled=wanted.enabled,
        min_level=wanted.min_level,  # type: ignore[arg-type]
        sample_rate=wanted.sample_rate,
        send_all_now=now_ns // NS_PER_MS if wanted.send_all_now else 0,
    )
    if told == Settings():
        raise InputError("set one of enabled, min_level, sample_rate, send_all_now", code="nothing_set")
    return Rule(
        rule=f"rul_{secrets.token_hex(8)}", app=app, kind=wanted.kind, target=wanted.target, settings=told,
        made_ns=now_ns, until_ns=now_ns + int(wanted.lasts_s * NS_PER_S), by=by, why=wanted.why,
    )  # fmt: skip


def _is_name(name: str) -> bool:
    return len(name) <= 64 and name.isascii() and name.isprintable()


# ── in a transaction ──────────────────────────────────────────────────────────────────────────────────────────────────


def insert_rule(transaction: Transaction, rule: Rule) -> None:
    transaction.change(
        "INSERT INTO remote_rules (rule, app, target_id, until_ns, body) VALUES (:rule, :app, :target, :until, :body)",
        rule=rule.rule, app=rule.app, target=_target_id(rule.app, rule.kind, rule.target), until=rule.until_ns,
        body=msgspec.json.encode(rule),
    )  # fmt: skip


def rematch(transaction: Transaction, changed: Sequence[Device], now_ns: int) -> None:
    """The rules match `changed` as they are now. Call `bump(transaction, devices.TOPIC)` before they are read."""
    by_app: dict[str, list[Device]] = {}
    for device in changed:
        by_app.setdefault(device.app, []).append(device)
    for app, own in by_app.items():
        rules = [rule for rule in _of_app(transaction, app, now_ns) if has_set(rule)]
        if rules:
            _rematch(transaction, app, rules, own)


def _rematch(transaction: Transaction, app: str, rules: Sequence[Rule], changed: Sequence[Device]) -> None:
    by_id = {devices.id_of(app, "device", device.device): device for device in changed}
    rows = transaction.rows_in("SELECT rule, id FROM remote_matches WHERE id IN", list(by_id))
    before = {(str(rule), str(place)) for rule, place in rows}
    after = {
        (rule.rule, place)
        for rule, asks in [(rule, asking(rule)) for rule in rules]
        for place, device in by_id.items()
        if asks(device)
    }
    ours = {rule.rule for rule in rules}
    gone = [{"rule": rule, "id": place} for rule, place in sorted(before - after) if rule in ours]
    new = [(rule, place, by_id[place].device) for rule, place in sorted(after - before)]
    if gone or new:
        transaction.change_many("DELETE FROM remote_matches WHERE rule = :rule AND id = :id", gone)
        _insert_matches(transaction, _with_room(transaction, rules, new))
        bump(transaction, TOPIC)


def _with_room(
    transaction: Transaction, rules: Sequence[Rule], new: Sequence[tuple[str, str, str]]
) -> list[tuple[str, str, str]]:
    """Those of `new` that are listed; a rule that has MATCHES_MAX devices says that there are more."""
    kept: list[tuple[str, str, str]] = []
    for rule in rules:
        own = [row for row in new if row[0] == rule.rule]
        if not own:
            continue
        ((count,),) = transaction.rows("SELECT COUNT(*) FROM remote_matches WHERE rule = :rule", rule=rule.rule)
        room = max(0, MATCHES_MAX - int(count))
        kept += own[:room]
        if len(own) > room and not rule.more:
            _settled(transaction, msgspec.structs.replace(rule, more=True))
    return kept


def ask_for_all(transaction: Transaction, app: str, reasons: dict[str, str], now_ns: int) -> None:
    """The devices are asked for all they have, for a day. reasons: by device, why. One rule a device, made again
    unless it was just made."""
    rows = {f"ask_{devices.id_of(app, 'device', device)}": (device, why) for device, why in sorted(reasons.items())}
    rows = dict(list(rows.items())[:ASKED_MAX])
    standing = rules_in(transaction.rows_in("SELECT body FROM remote_rules WHERE rule IN", list(rows)))
    for rule in standing:
        if now_ns - rule.made_ns < ASKED_AGAIN_S * NS_PER_S:
            del rows[rule.rule]
    remove_rules(transaction, list(rows))
    for name, (device, why) in rows.items():
        settings = Settings(send_all_now=now_ns // NS_PER_MS)
        rule = Rule(
            rule=name, app=app, kind="device", target=device, settings=settings, made_ns=now_ns,
            until_ns=now_ns + ASKED_S * NS_PER_S, by="an issue", why=why[:WHY_CHARS_MAX],
        )  # fmt: skip
        insert_rule(transaction, rule)
    surplus = transaction.rows(
        "SELECT rule FROM remote_rules WHERE app = :app AND rule LIKE 'ask!_%' ESCAPE '!' "
        "ORDER BY until_ns DESC, rule LIMIT 100000 OFFSET :kept",
        app=app, kept=ASKED_MAX,
    )  # fmt: skip
    remove_rules(transaction, [str(name) for (name,) in surplus])
    if rows:
        bump(transaction, TOPIC)


def remove_rules(transaction: Transaction, names: Sequence[str]) -> int:
    transaction.change_many("DELETE FROM remote_matches WHERE rule = :rule", [{"rule": name} for name in names])
    return sum(transaction.change("DELETE FROM remote_rules WHERE rule = :rule", rule=name) for name in names)


def _rules_for(transaction: Transaction, app: str, kind: Target, target: str) -> list[str]:
    rows = transaction.rows(
        "SELECT rule FROM remote_rules WHERE target_id = :target", target=_target_id(app, kind, target)
    )
    return [str(name) for (name,) in rows]


def remove_rules_for(transaction: Transaction, app: str, kind: Target, targets: Iterable[str]) -> int:
    """How many rules there were for these; they are gone."""
    names = [name for target in targets for name in _rules_for(transaction, app, kind, target)]
    if names:
        bump(transaction, TOPIC)
    return remove_rules(transaction, names)


def _target_id(app: str, kind: Target, target: str) -> str:
    return devices.id_of(app, kind, target)


def _match_page(
    transaction: Transaction, rule: Rule, query: ast.Query, asks: Asks, after: devices.Place | None, room: int
) -> _Matched:
    bump(transaction, devices.TOPIC)
    if _named(transaction, rule.rule) is None:
        return _Matched(0, None, False)
    for page in devices.pages(transaction, rule.app, query, after):
        found = [(rule.rule, place.id, device.device) for place, device in page if asks(device)]
        there = transaction.rows_in("SELECT id, rule FROM remote_matches WHERE id IN", [place for _, place, _ in found])
        known = {str(place) for place, name in there if str(name) == rule.rule}
        new = [row for row in found if row[1] not in known]
        _insert_matches(transaction, new[:room])
        bump(transaction, TOPIC)
        return _Matched(len(found[:room]), page[-1][0], len(new) > room)
    return _Matched(0, None, False)


def _insert_matches(transaction: Transaction, rows: Sequence[tuple[str, str, str]]) -> None:
    transaction.change_many(
        "INSERT INTO remote_matches (rule, id, device) VALUES (:rule, :id, :device)",
        [
            {"rule": rule, "id": place, "device": device.encode("utf-8", "surrogatepass")}
            for rule, place, device in rows
        ],
    )


def _settled(transaction: Transaction, rule: Rule) -> None:
    bump(transaction, TOPIC)
    transaction.change(
        "UPDATE remote_rules SET body = :body WHERE rule = :rule", body=msgspec.json.encode(rule), rule=rule.rule
    )


def _of_app(transaction: Transaction, app: str, after_ns: int) -> list[Rule]:
    sql = "SELECT body FROM remote_rules WHERE app = :app AND until_ns > :after ORDER BY until_ns"
    return rules_in(transaction.rows(sql, app=app, after=after_ns))


def _named(transaction: Transaction, name: str) -> Rule | None:
    found = rules_in(transaction.rows("SELECT body FROM remote_rules WHERE rule = :rule", rule=name))
    return found[0] if found else None


def drop_expired(transaction: Transaction, now_ns: int) -> None:
    """Rules that ended long ago are listed no more."""
    rows = transaction.rows("SELECT rule FROM remote_rules WHERE until_ns < :before", before=now_ns - SHOWN_AFTER_NS)
    remove_rules(transaction, [str(name) for (name,) in rows])


def _refuse_too_many(transaction: Transaction, rule: Rule, now_ns: int) -> None:
    standing = [one for one in _of_app(transaction, rule.app, now_ns) if not one.rule.startswith("ask_")]
    queries = [one for one in standing if one.kind == "query"]
    if len(standing) >= RULES_MAX or (rule.kind == "query" and len(queries) >= QUERIES_MAX):
        raise QuotaExceeded(
            f"{len(standing)} rules hold, {len(queries)} of them by query; an app has {RULES_MAX} and {QUERIES_MAX} "
            "at most: remove some, or wait until they expire",
            retry_after_s=60,
        )
