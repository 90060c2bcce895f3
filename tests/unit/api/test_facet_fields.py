import pytest

from logkeep.api.facets import FIELDS_MAX, read_fields
from logkeep.errors import InputError


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("component,level,key", ["component", "level", "key"]),
        (" level , user ", ["level", "user"]),
        ("terminal,Level,device", ["device", "level"]),
        ("attributes.os", ["attributes.os"]),
        ("attributes.a.b-c d", ["attributes.a.b-c d"]),
        ('attributes."a,b",key', ["attributes.a,b", "key"]),
        (r'attributes."say \"hi\" \\ ok"', [r'attributes.say "hi" \ ok']),
        ('attributes."\u00e9\x00<b>"', ["attributes.\u00e9\x00<b>"]),
        (",".join(f"attributes.a{i}" for i in range(FIELDS_MAX)), [f"attributes.a{i}" for i in range(FIELDS_MAX)]),
    ],
)
def test_fields_are_read_as_they_are_written_in_a_query(text: str, fields: list[str]) -> None:
    assert read_fields(text) == fields


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "an empty field name"),
        ("level,", "an empty field name"),
        ("service", "did you mean component?"),
        ("time", "is not part of the query"),
        ("attributes.", "has 1 to 256 bytes, not 0"),
        ('attributes.""', "no closing quote"),
        ('attributes."a,level', "no closing quote"),
        ("attributes." + "é" * 200, "not 400"),
        (",".join(f"attributes.a{i}" for i in range(FIELDS_MAX + 1)), "21 fields exceed 20"),
        ("x" * 1_000_000, "fields of 1,000,000 characters"),
    ],
)
def test_fields_that_are_none_are_refused_with_advice(text: str, part: str) -> None:
    with pytest.raises(InputError) as caught:
        read_fields(text)
    assert (caught.value.code, part in caught.value.message) == ("bad_field", True), caught.value.message
