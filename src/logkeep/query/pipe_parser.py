"""The stages after a filter, text → values of stages.py; every refusal names a column and what to write instead.

stages  = { "|" stage }              in the order of stages.RANKS
stage   = what ["by" group {"," group}] | "top" number field | "patterns" | "sort" key {"," key} | "limit" number
        | "context" number | "fields" column {"," column}
what    = function {"," function}
function= "count" | "rate" | "uniq" "(" field ")" | numeric "(" field ")"
group   = field | "bin" "(" width ")"
key     = column ["asc" | "desc"]    column: of the table made before, else a field of an event
"""

import difflib
import re
from collections.abc import Callable, Sequence
from typing import NoReturn, TypeVar

from logkeep.query import ast, habits
from logkeep.query.fields import about_unknown_column, is_numeric, known_field
from logkeep.query.filter_parser import ATTRIBUTE, NAME, check_attribute
from logkeep.query.leaves import refuse, shown
from logkeep.query.printer import column_name
from logkeep.query.scanner import BARE, Scanner
from logkeep.query.stages import (
    BIN_NS_MAX,
    COLUMNS_MAX,
    CONTEXT_MAX,
    EVENT_FIELDS,
    FUNCTION_NAMES,
    FUNCTIONS_MAX,
    GROUPS_MAX,
    RANKS,
    ROWS_MAX,
    SORT_KEYS_MAX,
    STAGES,
    TAKES,
    TIME_FIELDS,
    UNITS_NS,
    Aggregate,
    Bin,
    ColumnRef,
    Context,
    Fields,
    Function,
    Group,
    Limit,
    Making,
    Patterns,
    Sort,
    SortKey,
    Stage,
    Top,
    columns_of,
)

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_NUMBER = re.compile(r"[0-9]+(?![A-Za-z0-9_.])")
_WIDTH = re.compile(r"([0-9]{1,9})(ms|[smhdw])(?![A-Za-z0-9])")
_COMMA = re.compile(r"\s*,\s*")
_BY = re.compile(r"by(?![A-Za-z0-9_])", re.I)
_DIRECTION = re.compile(r"(asc|desc)(?![A-Za-z0-9_])", re.I)
_EMPTY_CALL = re.compile(r"\(\s*\*?\s*\)")

Item = TypeVar("Item")


class PipeParser:
    """Reads the stages where the scanner stands: at a `|` or at the end."""

    def __init__(self, scan: Scanner) -> None:
        self.scan = scan
        self.found: list[Stage] = []

    def stages(self) -> tuple[Stage, ...]:
        while not self.scan.is_at_end():
            assert self.scan.peek() == "|"
            habits.at_bar(self.scan)
            self.scan.at += 1
            self.scan.skip_space()
            start = self.scan.at
            stage = self.stage()
            self.check_order(stage, start)
            self.found.append(stage)
            self.scan.skip_space()
            if not self.scan.is_at_end() and self.scan.peek() != "|":
                self.refuse_rest(stage)
        return tuple(self.found)

    def stage(self) -> Stage:
        readers: dict[str, Callable[[], Stage]] = {
            "top": self.top, "sort": self.sort, "limit": self.limit, "context": self.context, "fields": self.fields,
            "patterns": Patterns,
        }  # fmt: skip
        start = self.scan.at
        word = self.scan.match(_WORD)
        if word is None:
            self.refuse_stage("", start)
        name = word[0].lower()
        if name in readers:
            self.scan.at = word.end()
            self.scan.skip_space()
            return readers[name]()
        return self.aggregate()

    def check_order(self, stage: Stage, start: int) -> None:
        for earlier in self.found:
            if isinstance(earlier, Patterns) and not isinstance(stage, Limit | Patterns):
                refuse("after `patterns` comes `limit` or the end; what stands here does not belong to it", start)
            if isinstance(stage, Patterns | Making) and isinstance(earlier, Making):
                refuse("one table a query: join functions with commas, as in count, avg(value) by key", start)
            if type(earlier) is type(stage):
                refuse(f"`{_name(stage)}` stands twice; keep one", start)
            if RANKS[type(earlier)] > RANKS[type(stage)]:
                if isinstance(stage, Making | Patterns):
                    refuse(f"`{_name(stage)}` is of all that match: it stands before `{_name(earlier)}`", start)
                refuse(f"`{_name(stage)}` stands before `{_name(earlier)}`; swap them", start)
            if isinstance(stage, Context) and isinstance(earlier, Making):
                refuse("`context` is of events, and here are numbers; leave one of the two stages out", start)

    # --- the stages ---

    def aggregate(self) -> Aggregate:
        functions = self.listed(self.function, FUNCTIONS_MAX, "functions")
        self.scan.skip_space()
        if (word := self.scan.match(_WORD)) and word[0].lower() == "group":
            refuse("write `by` for `group by`", self.scan.at)
        if not self.scan.take(_BY):
            return Aggregate(functions)
        self.scan.skip_space()
        if self.scan.peek() == "(":
            refuse("fields after `by` stand without parentheses, such as by component, level", self.scan.at)
        by = self.listed(self.group, GROUPS_MAX, "groups")
        if sum(isinstance(group, Bin) for group in by) > 1:
            refuse("one `bin` is enough; take the narrower", self.scan.at)
        return Aggregate(functions, by)

    def top(self) -> Top:
        rows = self.number("top", "rows", 1, ROWS_MAX, "top 10 user")
        self.scan.skip_space()
        if self.scan.match(_BY):
            refuse("`top` takes the field right after the number, as in top 10 user", self.scan.at)
        return Top(rows, self.a_field("top 10 user"))

    def limit(self) -> Limit:
        return Limit(self.number("limit", "rows", 1, ROWS_MAX, "limit 100"))

    def context(self) -> Context:
        return Context(self.number("context", "events", 1, CONTEXT_MAX, "context 5"))

    def sort(self) -> Sort:
        if self.scan.match(_BY):
            refuse("write `sort COLUMN` without `by`", self.scan.at)
        return Sort(self.listed(self.sort_key, SORT_KEYS_MAX, "columns to sort by", lambda key: key.column))

    def sort_key(self) -> SortKey:
        if self.scan.peek() in ("-", "+"):
            refuse("the direction stands after the column, as in sort count desc", self.scan.at)
        column = self.column()
        self.scan.skip_space()
        direction = self.scan.take(_DIRECTION)
        return SortKey(column, direction is not None and direction[1].lower() == "desc")

    def fields(self) -> Fields:
        start = self.scan.at
        columns = self.listed(self.column, COLUMNS_MAX, "columns")
        if "pattern" in columns and not any(isinstance(stage, Making) for stage in self.found):
            refuse("events come without their pattern; count by it, as in top 10 pattern", start)
        return Fields(columns)

    # --- their parts ---

    def function(self) -> Function:
        start = self.scan.at
        word = self.scan.take(_WORD)
        name = word[0].lower() if word else ""
        if name not in TAKES:
            self.refuse_stage(word[0] if word else "", start)
        function = name
        takes = TAKES[function]
        if takes == "nothing":
            self.refuse_argument(function)
            return Function(function)
        if takes == "a field" and self.scan.peek() != "(":
            self.scan.skip_space()
            return Function(function, self.a_field(f"{function}(user)"))
        example = f"{function}({'user' if takes == 'a field' else 'value'})"
        field = self.argument(function, example)
        if takes == "numbers" and not is_numeric(field):
            refuse(f"{field} is text, and `{function}` takes numbers: value or attributes.NAME", start)
        return Function(function, field)

    def argument(self, function: str, example: str) -> str:
        """The field in the parentheses that stand here."""
        self.scan.skip_space()
        if self.scan.peek() != "(":
            refuse(f"`{function}` takes a field in parentheses, as in {example}", self.scan.at)
        if self.scan.match(_EMPTY_CALL):
            refuse(f"nothing to compute stands in the parentheses; write {example}", self.scan.at)
        self.scan.at += 1
        self.scan.skip_space()
        field = self.a_field(example)
        self.scan.skip_space()
        if self.scan.peek() == ",":
            refuse(f"`{function}` takes one field, as in {example}; the per cent stands in the name: p95", self.scan.at)
        self.close(example)
        return field

    def refuse_argument(self, function: str) -> None:
        if self.scan.peek() != "(":
            return
        if self.scan.match(_EMPTY_CALL):
            refuse(f"write `{function}` without parentheses", self.scan.at)
        refuse(
            f"`{function}` counts events and takes nothing; write `user:*` before the first `|` for events with a "
            "user, or uniq(user) for how many users",
            self.scan.at,
        )

    def group(self) -> Group:
        word = self.scan.match(_WORD)
        if word and word[0].lower() == "bin":
            self.scan.at = word.end()
            return self.bin()
        if word and word[0].lower() in (*TIME_FIELDS, "timestamp", "_time", "bucket", "span", "day", "hour", "minute"):
            refuse("parts of the time are written bin(5m), with a width in ms, s, m, h, d or w", self.scan.at)
        return self.a_field("by component")

    def bin(self) -> Bin:
        start = self.scan.at
        self.scan.skip_space()
        if self.scan.peek() != "(":
            refuse("`bin` takes a width in parentheses, as in bin(5m)", start)
        self.scan.at += 1
        self.scan.skip_space()
        at = self.scan.at
        width = self.scan.take(_WIDTH)
        if width is None:
            refuse("a width is a whole number and ms, s, m, h, d or w, as in bin(5m); nothing else stands there", at)
        width_ns = int(width[1]) * UNITS_NS[width[2]]
        if not 0 < width_ns <= BIN_NS_MAX:
            refuse(f"a width of {width[0]} is not within 1ms and 366d", at)
        self.scan.skip_space()
        self.close("bin(5m)")
        return Bin(width_ns)

    def column(self) -> ColumnRef:
        """A column of the table that was made, else a field of an event."""
        start = self.scan.at
        making = next((stage for stage in self.found if isinstance(stage, Making)), None)
        if making is None:
            word = self.scan.match(_WORD)
            if word and word[0].lower() in TIME_FIELDS:
                self.scan.at = word.end()
                return word[0].lower()
            return self.a_field("sort time", EVENT_FIELDS)
        known = columns_of(making)
        column = self.column_of_table()
        if column not in known:
            listed = ", ".join(shown(column_name(one)) for one in known)
            refuse(f"there is no column {shown(column_name(column))}; columns here are {listed}", start)
        return column

    def column_of_table(self) -> ColumnRef:
        word = self.scan.match(_WORD)
        name = word[0].lower() if word else ""
        if word and name == "bin":
            self.scan.at = word.end()
            return self.bin()
        return self.function() if name in TAKES else self.a_field("sort count")

    def a_field(self, example: str, known: Sequence[str] = ast.FIELDS) -> str:
        """The field named here."""
        start = self.scan.at
        if found := self.scan.take(ATTRIBUTE):
            key = found[1]
            if key is None:
                key = self.scan.quoted().text
            check_attribute(key, start)
            return ast.ATTRIBUTE_PREFIX + key
        name = self.scan.take(NAME)
        if name is None:
            refuse(f"a field is missing{self.scan.before()}, as in {example}", start)
        field = known_field(name[0])
        if field is None or self.scan.peek() == ".":
            whole = BARE.match(self.scan.text, start)
            refuse(about_unknown_column(shown(whole[0].strip(",") if whole else name[0]), known), start)
        return field

    def number(self, stage: str, what: str, least: int, most: int, example: str) -> int:
        start = self.scan.at
        found = self.scan.take(_NUMBER)
        if found is None:
            refuse(f"`{stage}` takes a whole number first, as in {example}", start)
        number = int(found[0][:20])
        if not least <= number <= most:
            refuse(f"{shown(found[0])} {what} are not within {least} and {most:,}", start)
        return number

    def listed(
        self, read: Callable[[], Item], most: int, what: str, name: Callable[[Item], object] = lambda item: item
    ) -> tuple[Item, ...]:
        """One or more, with commas between; none twice."""
        items: list[Item] = []
        while True:
            start = self.scan.at
            item = read()
            if any(name(item) == name(other) for other in items):
                refuse(f"{shown(self.scan.text[start : self.scan.at])} stands twice; keep one", start)
            items.append(item)
            if len(items) > most:
                refuse(f"more than {most} {what}; leave some out", start)
            if not self.scan.take(_COMMA):
                return tuple(items)

    def close(self, example: str) -> None:
        if self.scan.peek() != ")":
            refuse(f"`)` is missing here, as in {example}", self.scan.at)
        self.scan.at += 1

    # --- refusals ---

    def refuse_stage(self, word: str, at: int) -> NoReturn:
        """Refuses a word that begins no stage and no function."""
        names = (*FUNCTION_NAMES, *(row.name for row in STAGES if row.name))
        if not word:
            refuse(f"a stage is missing{self.scan.before()}; stages begin with {', '.join(names)}", at)
        lower = word.lower()
        if hint := habits.FUNCTION_HABITS.get(lower):
            refuse(f"`{shown(word)}` is not known; write {hint}", at)
        if hint := habits.about_stage(lower, self.scan.text[at:]):
            refuse(f"`{shown(word)}` is not known: {hint}", at)
        nearest = difflib.get_close_matches(lower[:64], names, n=1, cutoff=0.7)
        hint = f"; did you mean {nearest[0]}?" if nearest else ";"
        refuse(f"unknown stage {shown(word)}{hint} stages begin with {', '.join(names)}", at)

    def refuse_rest(self, stage: Stage) -> NoReturn:
        """Refuses what stands between a stage and the next `|`."""
        word = self.scan.match(_WORD)
        name = word[0].lower() if word else ""
        if name == "as":
            refuse("columns keep their names; leave `as` out", self.scan.at)
        if name == "by" or name == "group":
            refuse(f"`by` does not follow `{_name(stage)}`; write `| count by component`", self.scan.at)
        if name in TAKES and isinstance(stage, Aggregate):
            refuse("a comma is missing between two functions", self.scan.at)
        if name in (row.name for row in STAGES if row.name):
            refuse(f"`|` is missing before `{name}`", self.scan.at)
        if name in ("ascending", "descending"):
            refuse(f"write `{name[:4].removesuffix('e')}`", self.scan.at)
        after = "a `|` or the end"
        if isinstance(stage, Aggregate) and not stage.by:
            after = f"a comma, `by`, {after}"
        elif isinstance(stage, Aggregate | Sort | Fields):
            after = f"a comma, {after}"
        refuse(f"after `{_name(stage)}` comes {after}; what stands here does not belong to it", self.scan.at)


def _name(stage: Stage) -> str:
    """A stage as a message repeats it."""
    return stage.functions[0].name if isinstance(stage, Aggregate) else type(stage).__name__.lower()
