"""Encoded events → batches → the intake, with an account of what became of each."""

import sys
from collections.abc import Sequence
from typing import Protocol

import msgspec

from logkeep.cli.client import Receipt, printable

BATCH_BYTES_MAX = 512 * 1024
COMPLAINTS_MAX = 20  # lines on standard error about single events; the rest is only counted


class Sender(Protocol):
    def send(self, events: Sequence[bytes]) -> Receipt: ...


class Place(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Where an event comes from, for the person who reads about its rejection."""

    file: str
    line: int


class Totals(msgspec.Struct):
    """batches: requests answered. rejected: by reason, as the service said. unreadable: lines that were not sent."""

    accepted: int = 0
    batches: int = 0
    unreadable: int = 0
    rejected: dict[str, int] = {}

    @property
    def rejected_events(self) -> int:
        return sum(self.rejected.values())

    @property
    def complete(self) -> bool:
        return not self.unreadable and not self.rejected

    def summary(self) -> str:
        """`sent 1,999 events in 2 batches, 0 rejected`."""
        text = f"sent {_count(self.accepted, 'event')} in {_count(self.batches, 'batch', 'batches')}"
        reasons = ", ".join(f"{reason} {number:,}" for reason, number in sorted(self.rejected.items()))
        text += f", {self.rejected_events:,} rejected" + (f" ({reasons})" if reasons else "")
        if self.unreadable:
            text += f", {_count(self.unreadable, 'line')} unreadable"
        return text


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


class Shipper:
    """Gathers events and sends them when a batch is full, or when told to."""

    def __init__(self, sender: Sender, *, batch_events: int) -> None:
        self.totals = Totals()
        self._sender = sender
        self._batch_events = batch_events
        self._events: list[bytes] = []
        self._places: list[Place] = []
        self._bytes = 0
        self._complaints = 0

    def add(self, event: bytes, place: Place) -> None:
        """Sends the batch first when `event` would make it too large."""
        if self._events and self._bytes + len(event) > BATCH_BYTES_MAX:
            self.flush()
        self._events.append(event)
        self._places.append(place)
        self._bytes += len(event) + 1
        if len(self._events) >= self._batch_events:
            self.flush()

    def flush(self) -> None:
        """Everything added has been answered. Raises as `Sender.send` does; the batch is then lost to this shipper."""
        if not self._events:
            return
        events, places = self._events, self._places
        self._events, self._places, self._bytes = [], [], 0
        receipt = self._sender.send(events)
        self.totals.batches += 1
        self.totals.accepted += receipt.accepted
        for rejection in receipt.rejected:
            self.totals.rejected[rejection.reason] = self.totals.rejected.get(rejection.reason, 0) + 1
            place = places[rejection.index] if rejection.index < len(places) else Place("?", 0)
            self.complain(place, f"rejected: {rejection.reason} {rejection.message}".rstrip())

    def unreadable(self, place: Place, why: str) -> None:
        self.totals.unreadable += 1
        self.complain(place, why)

    def complain(self, place: Place, text: str) -> None:
        self._complaints += 1
        if self._complaints <= COMPLAINTS_MAX:
            print(f"{printable(place.file)}:{place.line}: {printable(text)[:500]}", file=sys.stderr)
        elif self._complaints == COMPLAINTS_MAX + 1:
            print("further ones are only counted", file=sys.stderr)
