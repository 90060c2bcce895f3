"""Issues, crashes and feedback as they are told. Pure."""

import re
from itertools import takewhile
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from logkeep.event import NAME_BYTES_MAX

TITLE_CHARS_MAX = 300
TEXT_CHARS_MAX = 64 << 10
STACK_CHARS_MAX = 1 << 20
STACK_KEPT_CHARS = 128 << 10  # of each occurrence: its first and its last half
FINGERPRINT_CHARS_MAX = 200
ID_CHARS_MAX = 200

Kind = Literal["issue", "crash", "feedback"]
LEVEL_OF_KIND: dict[str, str] = {"issue": "error", "crash": "fatal", "feedback": "info"}  # of the event it becomes
Name = Annotated[str, Meta(max_length=NAME_BYTES_MAX)]


class IssueNotice(msgspec.Struct, frozen=True, kw_only=True):
    """One time that something went wrong, or that a person has something to say.

    text: of any length that is allowed; Markdown is shown as it was written. fingerprint: what the sender calls the
    same. id: the sender's name of this one time: told again, it is not counted again.
    """

    session: Name
    kind: Kind = "issue"
    title: Annotated[str, Meta(max_length=TITLE_CHARS_MAX)] = ""
    text: Annotated[str, Meta(max_length=TEXT_CHARS_MAX)] = ""
    stack: Annotated[str, Meta(max_length=STACK_CHARS_MAX)] = ""
    device: Name | None = None
    user: Name | None = None
    component: Name | None = None
    app_version: Annotated[str, Meta(max_length=192)] | None = None
    fingerprint: Annotated[str, Meta(min_length=1, max_length=FINGERPRINT_CHARS_MAX)] | None = None
    time: str | int | float | None = None
    id: Annotated[str, Meta(min_length=1, max_length=ID_CHARS_MAX)] | None = None

    def __post_init__(self) -> None:
        """Raises ValueError."""
        if not self.session:
            raise ValueError("`session` is empty")
        if not (self.title.strip() or self.text.strip() or self.stack.strip()):
            raise ValueError("send a `title`, a `text` or a `stack`")
        for name in ("session", "device", "user", "component"):
            size = len((getattr(self, name) or "").encode("utf-8", "surrogatepass"))
            if size > NAME_BYTES_MAX:
                raise ValueError(f"`{name}` of {size:,} bytes exceeds {NAME_BYTES_MAX}; shorten it")


def kept_stack(stack: str) -> str:
    """The stack as it is kept, with a line that says where it was cut."""
    if len(stack) <= STACK_KEPT_CHARS:
        return stack
    half = STACK_KEPT_CHARS // 2
    return f"{stack[:half]}\n… {len(stack) - 2 * half:,} characters are left out …\n{stack[-half:]}"


_part = re.compile(r"(\d+)|([a-z]+)")


VersionKey = tuple[tuple[int, ...], tuple[tuple[int, int, str], ...]]
_RELEASED = ((2, 0, ""),)  # after all that comes before a release


def version_key(version: str) -> VersionKey:
    """Versions in order: `1.9` before `1.10`, `2.0-beta` before `2.0`, `2.0` with `2.0.0`; others by their letters."""
    text, _, _ = version.strip().lower().removeprefix("v").partition("+")
    found = _part.findall(text[:200])
    numbers = list(takewhile(bool, (digits for digits, _ in found)))
    release = [int(digits[:18]) for digits in numbers]
    while release and not release[-1]:
        release.pop()
    before = tuple(
        (1, int(digits[:18]), "") if digits else (0, 0, letters) for digits, letters in found[len(numbers) :]
    )
    return tuple(release), before or _RELEASED
