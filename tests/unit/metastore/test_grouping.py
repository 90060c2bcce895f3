"""What is told of an issue becomes a title, and a group with what is the same."""

import pytest

from logkeep.decode.issues import IssueNotice
from logkeep.metastore.issues import group_of, title_of


def told(**members: str) -> IssueNotice:
    return IssueNotice(session="s", **members)  # type: ignore[arg-type]


def test_the_title_is_what_was_said_first() -> None:
    assert title_of(told(title=" a ", text="b")) == "a"
    stack = 'Traceback (most recent call last):\n  File "a.py", line 1, in f\nValueError: x'
    assert title_of(told(stack=stack)) == "ValueError: x"
    assert title_of(told(text="\n first\nsecond")) == "first"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (told(title="order 17 failed"), told(title="order 4711 failed"), True),
        (told(title="order 17 failed"), told(title="payment failed"), False),
        (told(title="a", fingerprint="x"), told(title="b", fingerprint="x"), True),
        (told(kind="feedback", title="nice"), told(kind="feedback", title="nice"), False),
        (told(kind="crash", title="a", stack="at f (a.js:1:2)"), told(kind="crash", stack="at f (a.js:3:4)"), True),
        (told(kind="crash", title="no memory"), told(kind="crash", title="no disk"), False),
    ],
)
def test_what_is_the_same_is_one_group(one: IssueNotice, other: IssueNotice, same: bool) -> None:
    assert (group_of(one, "1").fingerprint == group_of(other, "2").fingerprint) is same
