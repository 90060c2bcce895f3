"""What may stand at a place in a query that is being typed."""
# Examples, a line each:

import pytest

from logkeep.errors import QuerySyntaxError
from logkeep.event import LEVELS
from logkeep.query.ast import FIELDS
from logkeep.query.completion import Completion, complete, value_text
from logkeep.query.parser import parse, parse_statement
from logkeep.query.printer import quoted
from logkeep.query.stages import EVENT_FIELDS, FUNCTION_NAMES, SHOWN_FIELDS

BINS = ("bin(1m)", "bin(5m)", "bin(1h)", "bin(1d)")

# `^` is the place.
PLACES: list[tuple[str, Completion]] = [
    ("^", Completion(0, 0, "", ("not",), FIELDS, True)),
    ("le^", Completion(0, 2, "le", (), ("level",), True)),
    ("n^", Completion(0, 1, "n", ("not",), (), True)),
    ("-us^", Completion(1, 3, "us", (), ("user",), True)),
    ("le^vel", Completion(0, 5, "le", (), ("level",), True)),
    ("a ^", Completion(2, 2, "", ("and", "or", "not", "|"), FIELDS, True)),
    ("a or ^", Completion(5, 5, "", ("not",), FIELDS, True)),
    ("(^", Completion(1, 1, "", ("not",), FIELDS, True)),
    ("attributes.o^", Completion(0, 12, "attributes.o", (), (), True)),
    ('"some te^', Completion(0, 8, '"some te')),
    ("level:^", Completion(6, 6, "", LEVELS)),
    ("level>=w^", Completion(7, 8, "w", ("warn",))),
    ("level:(warn or e^", Completion(15, 16, "e", ("error",))),
    ("component:che^ck", Completion(10, 15, "che", values_of="component", prefix="che")),
    ('user:"an\\"n^', Completion(5, 11, '"an\\"n', values_of="user", prefix='an"n')),
    ("terminal:(a or b^", Completion(15, 16, "b", values_of="device", prefix="b")),
    ("attributes.os=l^", Completion(14, 15, "l", values_of="attributes.os", prefix="l")),
    ('attributes."o s":l^', Completion(17, 18, "l", values_of="attributes.o s", prefix="l")),
    ("user:x (a^", Completion(8, 9, "a", (), (), True)),
    ("value>5^", Completion(6, 7, "5")),
    ("value:ti^", Completion(6, 8, "ti")),
    ("key:/re^", Completion(4, 7, "/re")),
    ("a | ^", Completion(4, 4, "", (*FUNCTION_NAMES, "top", "patterns", "sort", "limit", "context", "fields"))),
    ("a | co^", Completion(4, 6, "co", ("count", "context"))),
    ("a | count ^", Completion(10, 10, "", ("by", ",", "|"))),
    ("a | count, ^", Completion(11, 11, "", FUNCTION_NAMES)),
    ("a | count by ^", Completion(13, 13, "", BINS, FIELDS, True)),
    ("a | count by user, bin(5m) ^", Completion(27, 27, "", (",", "|"))),
    ("a | p95(^", Completion(8, 8, "", (), ("value",), True)),
    ("a | uniq(u^", Completion(9, 10, "u", (), ("user",), True)),
    ("a | top 10 us^", Completion(11, 13, "us", (), ("user",), True)),
    ("a | top 10 user ^", Completion(16, 16, "", ("|",))),
    ("a | count by user, bin(5m) | ^", Completion(29, 29, "", ("sort", "limit", "fields"))),
    ("a | count by user, bin(5m) | sort ^", Completion(34, 34, "", ("user", "bin(5m)", "count"))),
    ("a | top 3 user | sort c^", Completion(22, 23, "c", ("count",))),
    ("a | sort ^", Completion(9, 9, "", (), EVENT_FIELDS, True)),
    ("a | fields ^", Completion(11, 11, "", (), SHOWN_FIELDS, True)),
    ("a | sort time ^", Completion(14, 14, "", ("asc", "desc", ",", "|"))),
    ("a | limit 5 ^", Completion(12, 12, "", ("|",))),
    ("a | patterns | ^", Completion(15, 15, "", ("limit",))),
    ("a | patterns | limit 5 ^", Completion(23, 23, "")),
    ("a | sort time | ^", Completion(16, 16, "", ("limit", "context", "fields"))),
    ("a | limit 3 | ^", Completion(14, 14, "", ("context", "fields"))),
    ("a | context 3 | ^", Completion(16, 16, "", ("fields",))),
    ("a | count | limit 3 | ^", Completion(22, 22, "", ("fields",))),
    ("a | fields time ^", Completion(16, 16, "", (",",))),
]


@pytest.mark.parametrize(("text", "found"), PLACES, ids=[text for text, _ in PLACES])
def test_at_this_place_may_stand(text: str, found: Completion) -> None:
    assert complete(text.replace("^", "", 1), text.index("^")) == found


BEFORE = [
    "",
    "count",
    "top 3 user",
    "patterns",
    "sort time",
    "limit 3",
    "context 3",
    "fields time",
    "count | sort count",
]
WRITTEN = {
    "top": "top 3 user",
    "sort": "sort time",
    "limit": "limit 3",
    "context": "context 3",
    "fields": "fields time",
}


@pytest.mark.parametrize("before", BEFORE)
def test_the_stages_offered_are_those_that_the_parser_takes(before: str) -> None:
    text = f"a | {before} | " if before else "a | "
    offered = complete(text, len(text)).keywords
    makes = before.startswith(("count", "top"))
    for name in ("count", "top", "patterns", "sort", "limit", "context", "fields"):
        written = WRITTEN.get(name, name).replace("time", "count" if makes else "time")
        try:
            parse_statement(text + written)
        except QuerySyntaxError:
            assert name not in offered
        else:
            assert name in offered


def test_a_place_beyond_the_text_is_its_end() -> None:
    assert complete("le", 99) == complete("le", 2)
    assert complete("le", -1) == complete("le", 0)


@pytest.mark.parametrize(
    "value", ["a", "a b", 'x"y', "", "and", "a-b.c", "1..5", "/x/", "-a", "a*", "日本", "a|b", "(", "a:b"]
)
def test_a_value_is_written_so_that_it_reads_as_itself(value: str) -> None:
    assert parse(f"user={value_text(value)}") == parse(f"user={quoted(value)}")
