"""A checked regex as an automaton: finds it in a text in time linear in the text.

Why not `re`: it backtracks, so one pattern from outside such as (a+)+$ could hold a process for hours. Here the tree
becomes numbered instructions (Thompson's construction); the automaton's states are sets of them, made when first met.
"""

from bisect import bisect_right
from typing import Final

from logkeep.errors import InputError
from logkeep.query.regex import WORD, Assert, Assertion, Chars, Choice, Part, Ranges, Repeat, Row, read_pattern

# Work and memory are counted in instructions that newly made states pass or hold (about 1 µs and 64 bytes each).
WORK_PER_TEXT_MAX = 500_000  # about a second at worst; patterns people write need some hundreds
WORK_KEPT_MAX = 20_000  # of one pattern, about 1.5 MB; then its states are made afresh
CHARS_KEPT = 10_000  # characters whose kind is remembered, about 1 MB

_END: Final = -1  # the kind of character that stands after the last one


class _State:
    """Where the automaton stands: instructions to go on from, and what the character before was."""

    __slots__ = ("after_word", "at_start", "next", "starts")

    def __init__(self, starts: frozenset[int], at_start: bool, after_word: bool) -> None:
        self.starts = starts
        self.at_start = at_start
        self.after_word = after_word
        self.next: dict[int, _State] = {}  # by kind of the next character


_FOUND: Final = _State(frozenset(), False, False)


class Automaton:
    """Finds `pattern` in texts. Threads may share one: at worst both make the same state."""

    def __init__(self, pattern: str) -> None:
        """pattern: of the portable subset. Raises PatternError."""
        self._chars: dict[int, Ranges] = {}
        self._places: dict[int, Assertion] = {}
        self._jumps: dict[int, tuple[int, ...]] = {}
        self._found = self._add(read_pattern(pattern), 0)
        edges = {edge for ranges in (WORD, *self._chars.values()) for low, high in ranges for edge in (low, high + 1)}
        self._edges = sorted({0} | edges)  # characters between two edges are of one kind: every step treats them alike
        self._kinds: dict[str, int] = {}
        self._forget()

    def search(self, text: str) -> bool:
        """Whether the pattern is found somewhere in `text`.

        Raises InputError when pattern and text together need over WORK_PER_TEXT_MAX of work.
        """
        state = self._first
        kinds = self._kinds
        work = 0
        for char in text:
            kind = kinds.get(char)
            if kind is None:
                kind = self._kind(char)
            following = state.next.get(kind)
            if following is None:
                following, cost = self._step(state, kind)
                work += cost
                if work > WORK_PER_TEXT_MAX:
                    raise _too_costly(len(text))
            if following is _FOUND:
                return True
            state = following
        return self._step(state, _END)[0] is _FOUND

    def _forget(self) -> None:
        self._first = _State(frozenset((0,)), True, False)
        self._states: dict[tuple[frozenset[int], bool], _State] = {}
        self._kept = 0

    def _kind(self, char: str) -> int:
        kind = bisect_right(self._edges, ord(char)) - 1
        if len(self._kinds) < CHARS_KEPT:
            self._kinds[char] = kind
        return kind

    def _step(self, state: _State, kind: int) -> tuple[_State, int]:
        """Where a character of this kind leads from `state`, remembered; and the work it was."""
        if self._kept > WORK_KEPT_MAX:
            self._forget()
        self._kept += 1
        code = self._edges[kind] if kind != _END else -1
        word = _within(WORD, code)
        reached = self._reached(state, kind == _END, word)
        if self._found in reached:
            following = _FOUND
        else:
            onward = (at + 1 for at in reached if at in self._chars and _within(self._chars[at], code))
            starts = frozenset((0, *onward))  # 0: the pattern may also begin at the next character
            following = self._states.setdefault((starts, word), _State(starts, False, word))
            self._kept += len(starts)
        state.next[kind] = following
        return following, len(reached)

    def _reached(self, state: _State, at_end: bool, before_word: bool) -> set[int]:
        """The instructions that wait for a character here, and those passed on the way."""
        holds: dict[Assertion, bool] = {"^": state.at_start, "$": at_end, "b": state.after_word != before_word}
        reached: set[int] = set()
        waiting = list(state.starts)
        while waiting:
            at = waiting.pop()
            if at in reached:
                continue
            reached.add(at)
            if at in self._jumps:
                waiting.extend(self._jumps[at])
            elif at in self._places and holds[self._places[at]]:
                waiting.append(at + 1)
        return reached

    # --- the instructions, numbered from 0; each goes on to the next one unless it jumps ---

    def _add(self, part: Part, at: int) -> int:
        """Adds the instructions of `part` from number `at` on; the number after them."""
        match part:
            case Chars(ranges):
                self._chars[at] = ranges
                return at + 1
            case Assert(kind):
                self._places[at] = kind
                return at + 1
            case Row(parts):
                for child in parts:
                    at = self._add(child, at)
                return at
            case Choice(parts):
                return self._add_choice(parts, at)
            case Repeat(child, low, high):
                for _ in range(low):
                    at = self._add(child, at)
                return self._add_star(child, at) if high is None else self._add_optional(child, high - low, at)

    def _add_choice(self, parts: tuple[Part, ...], at: int) -> int:
        ends: list[int] = []
        for child in parts[:-1]:
            end = self._add(child, at + 1)
            self._jumps[at] = (at + 1, end + 1)
            ends.append(end)
            at = end + 1
        at = self._add(parts[-1], at)
        for end in ends:
            self._jumps[end] = (at,)
        return at

    def _add_star(self, child: Part, at: int) -> int:
        end = self._add(child, at + 1)
        self._jumps[at] = (at + 1, end + 1)
        self._jumps[end] = (at,)
        return end + 1

    def _add_optional(self, child: Part, times: int, at: int) -> int:
        starts: list[int] = []
        for _ in range(times):
            starts.append(at)
            at = self._add(child, at + 1)
        for start in starts:
            self._jumps[start] = (start + 1, at)
        return at


def _within(ranges: Ranges, code: int) -> bool:
    return any(low <= code <= high for low, high in ranges)


def _too_costly(chars: int) -> InputError:
    return InputError(
        f"regex needs over {WORK_PER_TEXT_MAX:,} steps on a text of {chars:,} characters; make it simpler",
        code="query_too_expensive",
    )
