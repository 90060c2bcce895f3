"""Texts of accounts, as they are taken and refused."""

import pytest

from logkeep.errors import InputError
from logkeep.metastore.writing import email_address


@pytest.mark.parametrize(
    "text",
    ["admin@localhost", "a.b+c@example.org", "änna@exämple.org", "o'neil@b-c.d", "a_b@x--y.z", f"{'a' * 64}@1.2.3.4"],
)
def test_an_address_that_a_mail_server_takes_is_kept(text: str) -> None:
    assert email_address(f" {text.upper()} ") == text


@pytest.mark.parametrize(
    "text",
    [
        "", "@b", "a@", "a@b c", "a@b@c", "a@-b", "a@b-", "a@-b..c", "a@b..c", "a@.b", "a@b.", "a..b@c", ".a@c", "a.@c",
        "<a@b>", "a\r\n@b", "a\0@b", "a@[1.2.3.4]", f"{'a' * 65}@b", f"a@{'b' * 253}",
    ],
)  # fmt: skip
def test_an_address_that_no_mail_server_takes_is_refused(text: str) -> None:
    with pytest.raises(InputError) as refused:
        email_address(text)
    assert (refused.value.status, refused.value.code) == (400, "bad_email")
