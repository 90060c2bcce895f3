"""One app's devices, rules and issues, for the tests of what the metastore promises about them."""

import threading
from collections.abc import Callable
from typing import Any

from logkeep.clock import NS_PER_S, ManualClock
from logkeep.decode.devices import Device, DeviceNotice
from logkeep.decode.issues import IssueNotice
from logkeep.metastore import devices, issues, remote
from logkeep.metastore.configuration import Question
from logkeep.metastore.database import Database, bump
from logkeep.metastore.devices import Devices
from logkeep.metastore.issue_rows import Issues
from logkeep.metastore.issue_rows import Wanted as WantedIssues
from logkeep.metastore.remote import Remote
from logkeep.query.device_parser import parse_device_query

ODD = "o'dd\0 \u202e<b>%_!\U0001f4f1"  # what a careless statement, page or pattern trips over
TABLES = ("devices", "remote_rules", "remote_matches", "issues", "issue_tallies", "issue_occurrences", "told_ids")
T0 = 1_700_000_000 * NS_PER_S


class World:
    """One app's devices, rules and issues, over a database with tables."""

    def __init__(self, database: Database) -> None:
        self.database, self.clock = database, ManualClock()
        self.devices, self.issues = Devices(database), Issues(database, self.clock)
        self.remote = Remote(database, self.clock, refresh_s=1.0)

    def register(self, *records: DeviceNotice, app: str = "shop", received_ns: int | None = None) -> list[Device]:
        now_ns = self.clock.now_ns() if received_ns is None else received_ns
        told = [devices.DeviceReport(app, now_ns, record) for record in records]

        def apply(transaction: Any) -> list[Device]:
            bump(transaction, devices.TOPIC)
            after = devices.register(transaction, told)
            remote.rematch(transaction, after, now_ns)
            return after

        return self.database.write(apply)

    def tell(self, *records: IssueNotice, app: str = "shop", ids: list[str] | None = None) -> list[issues.Occurrence]:
        now_ns = self.clock.now_ns()
        self.told = getattr(self, "told", 0)
        names = ids or [f"{self.told + index:028x}" for index in range(len(records))]
        self.told += len(records)
        told = [
            issues.IssueReport(app, name, now_ns, now_ns, record) for name, record in zip(names, records, strict=True)
        ]

        def apply(transaction: Any) -> list[issues.Occurrence]:
            bump(transaction, devices.TOPIC)
            return issues.apply(transaction, told)

        return self.database.write(apply)

    def find(self, query: str = "", **more: Any) -> list[str]:
        found = self.devices.find("shop", parse_device_query(query), **({"limit": 100} | more))
        return [device.device for device in found.devices]

    def listed(self, **wanted: Any) -> list[str]:
        return [issue.title for issue in self.issues.find("shop", WantedIssues(**wanted)).issues]

    def one(self, title: str = "") -> issues.Issue:
        return next(issue for issue in self.issues.find("shop", WantedIssues(text=title)).issues)

    def settings(self, device: str, **who: str) -> Any:
        found = self.remote.look().of("shop", Question(device, **who), self.clock.now_ns())
        return found.settings


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """What each call returned or raised, all of them begun at the same moment."""
    gate, results = threading.Barrier(len(calls)), [None] * len(calls)

    def run(index: int, call: Callable[[], Any]) -> None:
        gate.wait(30)
        try:
            results[index] = call()
        except Exception as error:
            results[index] = error

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


def pixel(device: str = "d1", **more: Any) -> DeviceNotice:
    return DeviceNotice(**({"device": device, "model": "Pixel 8", "os": "Android", "app_version": "3.1"} | more))


def crash(**more: Any) -> IssueNotice:
    return IssueNotice(**({"session": "s1", "kind": "crash", "title": "boom", "device": "d1", "user": "anna"} | more))
