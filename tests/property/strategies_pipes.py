"""Stages for Hypothesis: statements the parser can make, over the vocabularies of strategies.py."""

from collections.abc import Sequence

from hypothesis import strategies as st
from tests.property.strategies import ATTRIBUTE_KEYS, queries

from logkeep.query import ast
from logkeep.query.stages import (
    EVENT_FIELDS,
    PERCENTILES,
    RANKS,
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
    Statement,
    Top,
    columns_of,
)

_attribute = st.sampled_from([ast.ATTRIBUTE_PREFIX + key for key in ATTRIBUTE_KEYS])
_field = st.sampled_from(ast.FIELDS) | _attribute
_numeric = st.just("value") | _attribute
_numeric_name = st.sampled_from(["sum", "avg", "min", "max", *PERCENTILES])
_function = st.one_of(
    st.sampled_from([Function("count"), Function("rate")]),
    st.builds(Function, st.just("uniq"), _field),
    st.builds(Function, _numeric_name, _numeric),
)
_bin = st.builds(Bin, st.builds(int.__mul__, st.integers(1, 90), st.sampled_from(sorted(UNITS_NS.values())[:4])))
_rows = st.integers(1, 12)


@st.composite
def _groups(draw: st.DrawFn) -> tuple[Group, ...]:
    groups: list[Group] = draw(st.lists(_field, max_size=2, unique=True))
    if draw(st.booleans()):
        groups.insert(draw(st.integers(0, len(groups))), draw(_bin))
    return tuple(groups)


_making: st.SearchStrategy[Making] = st.one_of(
    st.builds(Aggregate, st.lists(_function, min_size=1, max_size=4, unique=True).map(tuple), _groups()),
    st.builds(Top, _rows, _field),
)


_EVENT_COLUMNS: tuple[ColumnRef, ...] = (*EVENT_FIELDS, *(ast.ATTRIBUTE_PREFIX + key for key in ATTRIBUTE_KEYS))
_filters = queries(max_leaves=3)
# Made once: to make strategies while drawing takes longer than all else.
_places = st.integers(0, 99)
_sort_places = st.lists(st.tuples(_places, st.booleans()), max_size=2)
_field_places = st.lists(_places, max_size=3)
_perhaps_rows = st.none() | _rows
_perhaps_context = st.none() | st.builds(Context, st.integers(1, 3))


@st.composite
def table_statements(draw: st.DrawFn) -> Statement:
    """A filter and a stage that makes a table, perhaps sorted, cut and with some of its columns only."""
    making = draw(_making)
    return Statement(draw(_filters), (making, *draw(_after(columns_of(making)))))


@st.composite
def event_statements(draw: st.DrawFn) -> Statement:
    """A filter, perhaps with an order, a limit, neighbours, columns."""
    stages = draw(_after(_EVENT_COLUMNS))
    if context := draw(_perhaps_context):
        stages = sorted([*stages, context], key=lambda stage: RANKS[type(stage)])
    return Statement(draw(_filters), tuple(stages))


@st.composite
def _after(draw: st.DrawFn, columns: Sequence[ColumnRef]) -> list[Stage]:
    stages: list[Stage] = []
    keys = {columns[place % len(columns)]: down for place, down in draw(_sort_places)}
    if keys:
        stages.append(Sort(tuple(SortKey(column, down) for column, down in keys.items())))
    if rows := draw(_perhaps_rows):
        stages.append(Limit(rows))
    shown = [column for column in columns if column != "pattern" or columns is not _EVENT_COLUMNS]
    if chosen := dict.fromkeys(shown[place % len(shown)] for place in draw(_field_places)):
        stages.append(Fields(tuple(chosen)))
    return stages


def statements() -> st.SearchStrategy[Statement]:
    """Any statement the parser can make."""
    patterns = st.builds(
        lambda found, rows: Statement(found, (Patterns(), Limit(rows)) if rows else (Patterns(),)),
        _filters, st.integers(0, 5),
    )  # fmt: skip
    return table_statements() | event_statements() | patterns
