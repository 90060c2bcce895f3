"""Events as documents of MongoDB: nothing is lost on the way there and back, and messages stay within their limits."""

import bson
import pytest
from hypothesis import given, settings
from tests.property.strategies import events
from tests.unit.store.mongodb_events import event

from logkeep.errors import InputError
from logkeep.event import Event, attributes_of
from logkeep.store.mongodb_documents import (
    database_of,
    day_named,
    day_of_database,
    day_start_ns,
    document_id,
    document_of,
    event_of,
    in_messages,
)


@given(drawn=events(min_size=1))
@settings(max_examples=60, deadline=None)
def test_an_event_comes_back_as_it_was(drawn: list[Event]) -> None:
    read = [event_of(bson.decode(bson.encode(document_of(each)))) for each in drawn]
    assert read == drawn
    assert [list(map(repr, attributes_of(each).items())) for each in read] == [
        list(map(repr, attributes_of(each).items())) for each in drawn
    ]  # 5 and 5.0, 0.0 and -0.0 are equal, and not the same


@pytest.mark.parametrize("name", ["a.b", "$set", "", "%", "%2E", "a\0b", "é", "_id", "plain"])
def test_an_attribute_may_have_any_name(name: str) -> None:
    made = event(attributes={name: None, "other": True})
    document = bson.decode(bson.encode(document_of(made)))
    assert attributes_of(event_of(document)) == {name: None, "other": True}
    assert not any("." in key or "$" in key or not key for key in document["attributes"])


def test_an_id_is_the_same_for_the_same_event_only() -> None:
    places = [("a", "b", 1), ("a", "b", 2), ("a", "b\x001", 1), ("a", "b\0", 11), ("ab", "", 1), ("a", "", 1)]
    assert len({document_id(*place) for place in places}) == len(places)


def test_what_is_unset_is_not_in_the_document() -> None:
    unset = {"level", "user", "device", "component", "pattern", "attributes", "update", "kind", "number"}
    assert document_of(event()).keys().isdisjoint(unset)


def test_no_message_is_over_its_limits() -> None:
    words = " ".join(f"w{number}" for number in range(30_000))
    documents = [
        document_of(event(value=words)),
        *(document_of(event(value="x" * size, attributes={"a": "é" * size})) for size in (10, 100_000, 250_000) * 20),
    ]
    encoded = [bson.encode(each) for each in documents]
    pieces = list(in_messages(encoded, documents_max=7, bytes_max=4_000_000))
    assert [each for piece in pieces for each in piece] == encoded
    assert [len(piece) for piece in in_messages(encoded, documents_max=7, bytes_max=1 << 40)] == [7] * 8 + [5]
    sizes = [len(bson.encode({"documents": list(map(bson.decode, piece))})) for piece in pieces]
    assert max(sizes) <= 4_000_000 and sizes[0] > 3_000_000  # as full as it may be


@pytest.mark.parametrize("value", ["b a b", "b a b " * 40])
def test_words_are_those_of_the_value_and_a_long_one_has_each_once(value: str) -> None:
    words = document_of(event(value=value))["words"]
    assert words == (["b", "a", "b"] if len(value) < 10 else ["b", "a"])


def test_days_have_databases_and_other_names_are_none() -> None:
    assert database_of("logkeep", "2025-10-10") == "logkeep_2025_10_10"
    names = ["logkeep_2025_10_10", "logkeep", "logkeep_2025_13_10", "logkeep_20251010", "logkeep_other_2025_10_10"]
    assert [day_of_database("logkeep", name) for name in names] == ["2025-10-10", None, None, None, None]
    assert day_start_ns("2025-10-10") == 1_760_054_400 * 10**9
    with pytest.raises(InputError):
        day_named("yesterday")
