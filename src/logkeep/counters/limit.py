"""One limit by its name, so that whoever is refused is told which one it was."""

from functools import lru_cache
from typing import Literal

import msgspec

Of = Literal["app", "component", "key", "address", "installation"]
Why = Literal["day", "second"]
_OF_A_DAY = frozenset(("events_per_day", "bytes_per_day"))


class Limit(msgspec.Struct, frozen=True):
    """of, who: whom it limits. name: as in the API and the settings, such as events_per_day. value: as it was set."""

    of: Of
    who: str
    name: str
    value: float

    @property
    def why(self) -> Why:
        return "day" if self.name in _OF_A_DAY else "second"

    @property
    def words(self) -> str:
        """A sentence without its end: who is over what."""
        return _words(self)

    def words_of_share(self, component: str, kept: int) -> str:
        """The same where it is not spent. component: whose share is, "" for events without; of the installation's
        limit an app has it. kept: for the others, events or bytes."""
        who = (
            f"the component {component[:80]!r} has used its"
            if component
            else "events without a component have used their"
        )
        who = who if self.of == "app" else "this app has used its"
        return f"{who} share of the {self.of}'s {_named(self)}; {kept:,} are kept for the others"


# Kept, for they are told with each refusal, and writing a number takes as long as counting an event.
@lru_cache(maxsize=1_000)
def _named(limit: Limit) -> str:
    return f"{limit.name} of {limit.value:,.16g}"


@lru_cache(maxsize=1_000)
def _words(limit: Limit) -> str:
    whose = f"the {limit.of} {limit.who[:80]!r}" if limit.of in ("app", "component") else f"this {limit.of}"
    return f"{whose} is over its {_named(limit)}"
