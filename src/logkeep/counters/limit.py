"""One limit by its name, so that whoever is refused is told which one it was."""

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
        named = self.of in ("app", "component")
        who = f"the {self.of} {self.who[:80]!r}" if named else f"this {self.of}"
        return f"{who} is over its {self.name} of {self.value:,.16g}"
