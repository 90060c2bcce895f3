"""One limit by its name, so that whoever is refused is told which one it was."""

from functools import lru_cache
from typing import Literal

import msgspec

Of = Literal["app", "component", "key", "address", "installation"]
Why = Literal["day", "second"]


class Limit(msgspec.Struct, frozen=True):
    """of, who: whom it limits. name: as in the API and the settings, such as events_per_day. value: as it was set."""

    of: Of
    who: str
    name: str
    value: float

    @property
    def why(self) -> Why:
        return "day" if self.name.endswith("_per_day") else "second"

    @property
    def words(self) -> str:
        """A sentence without its end: who is over what."""
        return f"{self._whose} is over its {self._named}"

    def words_of_share(self, component: str, kept: int) -> str:
        """The same where it is not spent. component: whose share is, "" for events without; of the installation's
        limit an app has it. kept: for the others, events or bytes."""
        who = (
            f"the component {component[:80]!r} has used its"
            if component
            else "events without a component have used their"
        )
        who = who if self.of == "app" else "this app has used its"
        return f"{who} share of the {self.of}'s {self._named}; {kept:,} are kept for the others"

    @property
    def _named(self) -> str:
        return f"{self.name} of {_number(self.value)}"

    @property
    def _whose(self) -> str:
        named = self.of in ("app", "component")
        return f"the {self.of} {self.who[:80]!r}" if named else f"this {self.of}"


@lru_cache(maxsize=1_000)
def _number(value: float) -> str:
    """Kept, for it is told with each refusal and takes as long as counting it."""
    return f"{value:,.16g}"
