"""The oracle, case by case: what each leaf finds in one event and, above all, what it does not."""

from typing import Any

import pytest
from tests.events import made_event

from logkeep.event import Event, Scalar
from logkeep.query.match import attribute_text, matches
from logkeep.query.parser import parse


def event(**changed: Any) -> Event:
    fields: dict[str, Any] = {
        "app": "shop", "session": "S-1", "key": "Cart.add", "value": "Conn RESET by peer\nat 10.0.0.1", "kind": "text",
        "number": None, "time_ns": 1, "received_ns": 2, "id": "e1", "level": "warn", "user": "Ada",
        "component": "Checkout",
        "attributes": {
            "os": "Linux 6", "empty": "", "ms": 250, "s": 0.25, "big": "1e999", "text_ms": "250",
            "ok": True, "no": None,
        },
    }  # fmt: skip
    return made_event(**(fields | changed))


@pytest.mark.parametrize(
    "text",
    [
        "*", "reset", "RESET", '"reset by"', '"peer at"', "10.0.0.1", "res*", "reset*",
        "value=\"Conn RESET by peer\nat 10.0.0.1\"",
        'value="Conn R"*', "value:*", r"value:/RESET.by/", r"value:/peer\nat/", "value:/1$/",
        "session:S-1", "session:S*", "key:cart.ADD", "key=Cart.add", "key:CART*", "key=Cart*",
        "key:/^Cart\\.(add|drop)$/",
        "user:Ada", "user:*", 'device:""', 'device=""', "-device:*", "component:(cart or checkout)",
        "level:warning", "level>=warn", "level<=warn", "level>info", "level<error", "level:info..error",
        "level:w*", "level:*",
        "attributes.os:*", "attributes.empty:*", 'attributes.empty:""', "attributes.os:linux*",
        'attributes.os="Linux 6"',
        "attributes.ms>249.5", "attributes.ms:250", "attributes.ms:200..250", "attributes.text_ms:250",
        "attributes.ok:true", "attributes.no:null", "attributes.no:*", "attributes.s:0.25", "attributes.s<1",
        "-attributes.none:x",
        "reset or nothing", "-(reset nothing)",
    ],
)  # fmt: skip
def test_the_query_finds_the_event(text: str) -> None:
    assert matches(parse(text), event()) is True


@pytest.mark.parametrize(
    "text",
    [
        "-*", "rese", "eset", '"by reset"', '"reset peer"', "eset*", "value=reset", "value>0", "value<=0",
        "value:/reset/", "value:/peer.at/", "value:/^at/", "value:/peer$/",
        "session:s-1", "session:s*", "key=cart.add", "key=cart*", "key:/cart/", "user:ada", "device:*", 'user:""',
        "level:error", "level>warn", "level<warn", 'level:""', "level:info..info",
        "attributes.none:*", 'attributes.none:""', 'attributes.none:""*', "attributes.none:/a*/",
        "attributes.os=linux*",
        "attributes.os>0", "attributes.text_ms>0", "attributes.big>0", "attributes.ok>=0", "attributes.ms>250",
        "attributes.none<9",
        "reset nothing", "nothing or nowhere",
    ],
)  # fmt: skip
def test_the_query_does_not_find_the_event(text: str) -> None:
    assert matches(parse(text), event()) is False


@pytest.mark.parametrize("text", ["level>=trace", "level<=fatal", "level:*", "level:info"])
def test_an_event_without_a_level_is_in_no_comparison(text: str) -> None:
    assert matches(parse(text), event(level="")) is False


@pytest.mark.parametrize(
    ("value", "kind", "number", "text", "found"),
    [
        ("5", "number", 5.0, "5", True),
        ("5", "number", 5.0, "value:5", True),
        ("5", "number", 5.0, "value>=5", True),
        ("5.5", "number", 5.5, '"5 5"', True),
        ("5.5", "number", 5.5, "value:1..5", False),
        ("5", "text", None, "value>=5", False),
        ("true", "bool", None, "true", True),
        ("null", "null", None, "value:*", True),
        ('{"code":"E_TIMEOUT"}', "object", None, "timeout", True),
        ("", "text", None, "value:*", True),
        ("", "text", None, 'value=""', True),
    ],
)
def test_a_value_of_any_kind_is_found_by_its_json_text_and_a_number_by_size(
    value: str, kind: str, number: float | None, text: str, found: bool
) -> None:
    assert matches(parse(text), event(value=value, kind=kind, number=number)) is found


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "a"), (5, "5"), (True, "true"), (False, "false"), (None, "null"), (1.0, "1"), (1000.0, "1000"),
        (0.1, "0.1"), (12.5, "12.5"), (-0.0, "-0"), (0.0, "0"), (1e-6, "0.000001"), (1.25e-6, "0.00000125"),
        (1e-7, "1e-7"), (-2.5e-8, "-2.5e-8"), (1e20, "100000000000000000000"),
        (1e21, "1e21"), (1.5e21, "1.5e21"), (123456789.123, "123456789.123"), (5e-324, "5e-324"),
        (2**63 - 1, "9223372036854775807"),
    ],
)  # fmt: skip
def test_an_attribute_is_compared_as_the_text_of_its_json(value: Scalar, text: str) -> None:
    assert attribute_text(value) == text
