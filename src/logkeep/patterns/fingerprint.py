"""Which crashes and issues are the same: a fingerprint that stays when lines move, versions change and messages differ.

A crash is named by the types of its exceptions and by the innermost frames of the program itself. A recursion without
end is named by the frames that repeat, for where it stops is chance. Without a stack the text decides, its numbers and
ids left out. Pure; a text of 1 MB with 100,000 frames takes some 50 ms, a usual trace 0.2.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Sequence

import msgspec

from logkeep.patterns.shape import bounded
from logkeep.patterns.stacks import Frame, Section, is_frame, is_group, lines_of, read_stack
from logkeep.patterns.template import Template, text_of

FRAMES = 5  # of each exception
SECTIONS = 4  # of a chain, the last ones: they hold the cause, or what was raised in the end
REPEATS_MIN = 12  # of one frame: then it is a recursion
TITLE_CHARS_MAX = 300
LINES_LOOKED_AT = 50
# What a platform writes above every crash: Android's log, Dart.
_heading = re.compile(
    r"FATAL EXCEPTION: .*|(?:Process: \S+, )?PID: \d+|(?:Unhandled|Uncaught) exception:", re.IGNORECASE
).fullmatch


class Group(msgspec.Struct, frozen=True):
    """fingerprint: 16 hexadecimal digits. where: the frame a person would open first, "" without a stack."""

    fingerprint: str
    where: str


def of_crash(title: str, stack: str) -> Group:
    """stack: a stack trace, or any text; "": the title decides."""
    sections = read_stack(stack) if stack else []
    if not any(section.frames for section in sections):
        return of_text(title or _first_line(stack))
    parts = [part for section in sections[-SECTIONS:] for part in ("!", section.type, *map(str, _named_by(section)))]
    return Group(_digest(parts), _where(sections))


def of_text(text: str) -> Group:
    """Texts that differ in numbers, ids and values only are the same."""
    return Group(_digest(["text", text_of(Template.of_text(bounded(text[:4096])).form)]), "")


def of_words(text: str) -> Group:
    """What the sender calls the same."""
    return Group(_digest(["own", text]), "")


def title_of(stack: str) -> str:
    """The line of a stack trace that a person would say first, else its innermost frame; "" for an empty text."""
    given, is_last = _title_lines(stack)
    lines = [line.strip() for line in given if line.strip()]
    for line in reversed(lines) if is_last else lines:
        skipped = line.startswith(("Traceback", "File ", "at ", "...", "#", "---", "*** First"))
        if not skipped and not _heading(line) and ((line is lines[0] and ": " in line) or not is_frame(line)):
            return line[:TITLE_CHARS_MAX]
    return (_where(read_stack(stack)) or lines[0])[:TITLE_CHARS_MAX] if lines else ""


def _title_lines(stack: str) -> tuple[list[str], bool]:
    """Those among which the title is, and whether it is the last of them: in Python it stands below the frames."""
    if is_group(stack):
        return lines_of(stack), True
    lines = stack[:16_384].splitlines()[:LINES_LOOKED_AT] + stack[-4_096:].splitlines()[-5:]
    first = next((line.strip() for line in lines if line.strip()), "")
    return lines, first.startswith("Traceback")


def _first_line(text: str) -> str:
    return text.lstrip()[:4096].partition("\n")[0]


def _named_by(section: Section) -> Sequence[Frame]:
    """The frames that name this exception's place."""
    frames = section.frames
    counts = Counter(frames)
    repeated = [frame for frame, count in counts.items() if count >= REPEATS_MIN]
    if repeated:
        return sorted(repeated, key=str)[: 4 * FRAMES]
    own = [frame for frame in dict.fromkeys(frames) if frame.own]
    return (own or list(counts))[:FRAMES]


def _where(sections: Sequence[Section]) -> str:
    for section in reversed(sections):
        if own := [frame for frame in section.frames if frame.own]:
            return str(own[0])
    return next((str(section.frames[0]) for section in reversed(sections) if section.frames), "")


def _digest(parts: Sequence[str]) -> str:
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        digest.update(part.encode("utf-8", "surrogatepass") + b"\0")
    return digest.hexdigest()
