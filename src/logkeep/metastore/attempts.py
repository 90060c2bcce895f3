"""Tries to sign in, counted for all instances together: who fails often waits, longer each time."""

import ipaddress
from collections.abc import Sequence

import msgspec

from logkeep.clock import NS_PER_S
from logkeep.errors import QuotaExceeded
from logkeep.metastore.accounts import sha256_of
from logkeep.metastore.database import Transaction
from logkeep.metastore.writing import Writer

WAIT_MAX_S = 900
FORGOTTEN_S = 3600  # after so long without a try the count begins anew
ROWS_MAX = 100_000


class _Rule(msgspec.Struct, frozen=True):
    """name: of the row. free: so many failures cost no wait; each further one doubles it, from 1 s on."""

    name: str
    free: int


class Attempts:
    """Raises BackendUnavailable."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def begin(self, address: str, account: str) -> None:
        """One try more, counted as failed until `succeeded` says otherwise, so that tries at once count too.

        account: an e-mail address or id, "" for none. Raises QuotaExceeded: this try is one too many, for now.
        """
        self._begin(_rules(address, account), "too many tries from here, or of this account, have failed")

    def begin_trip(self, address: str) -> None:
        """One trip more to a provider from there, which `end_trip` forgives. Raises QuotaExceeded."""
        self._begin([_trip(address)], "too many sign-ins were begun and not finished from here")

    def end_trip(self, address: str) -> None:
        """It has led back."""
        self._writer.write(lambda transaction: _forgive(transaction, _trip(address)))

    def _begin(self, rules: Sequence[_Rule], refusal: str) -> None:
        now_ns = self._writer.clock.now_ns()

        def count(transaction: Transaction) -> None:
            transaction.change("DELETE FROM attempts WHERE changed_ns < :old", old=now_ns - FORGOTTEN_S * NS_PER_S)
            wait_ns = max([_count(transaction, rule, now_ns) for rule in rules])
            if wait_ns > 0:  # what was counted is undone: who waits anyway does not wait longer for asking
                wait_s = 1 + wait_ns // NS_PER_S
                raise QuotaExceeded(f"{refusal}; wait {_span(wait_s)}, then try again", retry_after_s=wait_s)

        self._writer.write(count)

    def succeeded(self, address: str, account: str) -> None:
        """The account's failures are forgiven; of the address only this try: others may be guessed from there."""
        rules = _rules(address, account)

        def forgive(transaction: Transaction) -> None:
            _forgive(transaction, rules[0])
            for rule in rules[1:]:
                transaction.change("DELETE FROM attempts WHERE name = :name", name=rule.name)

        self._writer.write(forgive)


def _span(seconds: int) -> str:
    """`90 s`, `15 minutes`: never less than `seconds`."""
    return f"{seconds} s" if seconds <= 120 else f"{-(-seconds // 60)} minutes"


def _trip(address: str) -> _Rule:
    """An office behind one address has many people, who come back."""
    return _Rule(f"trip {_network(address)}", 60)


def _forgive(transaction: Transaction, rule: _Rule) -> None:
    """One failure."""
    # The wait first: MariaDB sets from left to right. It stays where others have failed from there too.
    sql = (
        "UPDATE attempts SET until_ns = CASE WHEN failures <= :free THEN 0 ELSE until_ns END, "
        "failures = failures - 1 WHERE name = :name AND failures > 0"
    )
    transaction.change(sql, name=rule.name, free=rule.free)


def _rules(address: str, account: str) -> Sequence[_Rule]:
    """That of the account alone is generous: nobody is to be locked out of it by others who fail on purpose."""
    network = _network(address)
    rules = [_Rule(f"address {network}", 10)]
    if account:
        hashed = sha256_of(account.strip().lower())[:32]
        rules += [_Rule(f"both {hashed} {network}", 5), _Rule(f"account {hashed}", 50)]
    return rules


def _network(address: str) -> str:
    """Of IPv6 the /64 that one household has."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return sha256_of(address)[:32]
    if parsed.version == 6:
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))
    return str(parsed)


def _count(transaction: Transaction, rule: _Rule, now_ns: int) -> int:
    """How long to wait still. Counts first, for that locks the row: of many tries at once each sees those before."""
    sql = "UPDATE attempts SET failures = failures + 1, changed_ns = :now WHERE name = :name"
    if not transaction.change(sql, now=now_ns, name=rule.name):
        _make_room(transaction)
        sql = "INSERT INTO attempts (name, failures, until_ns, changed_ns) VALUES (:name, 1, 0, :now)"
        transaction.change(sql, name=rule.name, now=now_ns)
    found = transaction.rows("SELECT failures, until_ns FROM attempts WHERE name = :name", name=rule.name)[0]
    failures, until_ns = int(found[0]), int(found[1])
    # No longer than the longest wait, whatever a clock that was wrong has written.
    wait_ns = min(until_ns - now_ns, WAIT_MAX_S * NS_PER_S)
    if wait_ns <= 0 and failures >= rule.free:
        wait_s = min(2 ** min(failures - rule.free, 20), WAIT_MAX_S)
        sql = "UPDATE attempts SET until_ns = :until WHERE name = :name"
        transaction.change(sql, until=now_ns + wait_s * NS_PER_S, name=rule.name)
    return wait_ns


def _make_room(transaction: Transaction) -> None:
    if transaction.rows("SELECT COUNT(*) FROM attempts")[0][0] >= ROWS_MAX:
        oldest = transaction.rows("SELECT name FROM attempts ORDER BY changed_ns LIMIT 1000")
        transaction.change_many("DELETE FROM attempts WHERE name = :name", [{"name": one[0]} for one in oldest])
