from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta

from logkeep.api.mismatches import NAMES, plainly
from logkeep.masking.rules import OwnPattern, Rules


def refusal(kind: Any, value: Any) -> str:
    with pytest.raises(msgspec.ValidationError) as error:
        msgspec.convert(value, kind)
    return plainly(str(error.value).partition(" - at `$")[0])


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        (int | None, 1.5, "it takes a whole number or null, not a number with a fraction"),
        (dict[str, int], [], "it takes an object, not a list"),
        (bool, "yes", "it takes true or false, not a text"),
        (Annotated[int, Meta(ge=1)], 0, "it takes 1 at least"),
        (Annotated[int, Meta(le=3650)], 4000, "it takes 3650 at most"),
        (Annotated[float, Meta(gt=0.5)], 0.5, "it takes more than 0.5"),
        (Annotated[str, Meta(min_length=1)], "", "it is empty; write something"),
        (Annotated[str, Meta(max_length=2)], "abc", "it takes 2 characters at most"),
        (Annotated[list[int], Meta(max_length=1)], [1, 2], "it takes 1 entries at most"),
        (Annotated[str, Meta(pattern="^a+$")], "b", "it takes what ^a+$ matches"),
    ],
)
def test_what_does_not_fit_is_said_without_the_decoders_terms(kind: Any, value: Any, said: str) -> None:
    assert refusal(kind, value) == said


def test_names_in_masking_rules_are_told_in_words() -> None:
    told = {refusal(OwnPattern, {"name": "My card", "pattern": "x"}), refusal(Rules, {"fields": ["card number"]})}
    assert told == {f"it takes {words}" for words in NAMES.values()}


@pytest.mark.parametrize("text", ["Object missing required field `a`", "Invalid enum value 'x'", "JSON is malformed"])
def test_what_is_plain_already_stays(text: str) -> None:
    assert plainly(text) == text
