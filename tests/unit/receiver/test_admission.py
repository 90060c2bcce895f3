"""Keys found, and remembered no longer than they should be."""

import pytest

from logkeep.errors import InputError
from logkeep.metastore.port import Credential
from logkeep.receiver.admission import Admission, key_id
from logkeep.receiver.sender_limits import Sender


class Keys:
    def __init__(self) -> None:
        self.known = {
            "good": Credential("shop", "write"),
            "reads": Credential("shop", "read"),
            "web": Credential("shop", "write", origins=("https://shop.example", "https://*.cdn.example:8443")),
        }
        self.asked = 0

    def credential(self, secret: str) -> Credential | None:
        self.asked += 1
        return self.known.get(secret)

    def outdated(self) -> str | None:
        return None

    def app_names(self) -> list[str]:
        return ["shop"]

    def default_app(self) -> str:
        return "shop"


def test_a_key_is_asked_for_once_until_it_is_forgotten() -> None:
    keys = Keys()
    admission = Admission(keys)
    assert {admission.sender_of(b"Bearer good", None, b"").app for _ in range(5)} == {"shop"}
    assert keys.asked == 1
    del keys.known["good"]
    assert admission.sender_of(b"Bearer good", None, b"").app == "shop"
    admission.forget()
    with pytest.raises(InputError) as caught:
        admission.sender_of(b"Bearer good", None, b"")
    assert (caught.value.status, caught.value.code) == (403, "key_unknown")
    assert "or its app is archived" in caught.value.message


def test_keys_that_may_not_write_are_never_remembered() -> None:
    admission = Admission(Keys())
    for _ in range(2):
        with pytest.raises(InputError) as caught:
            admission.sender_of(b"Bearer reads", None, b"")
        assert (caught.value.status, caught.value.code) == (403, "key_cannot_write")


def test_the_key_in_another_place_is_not_remembered_for_an_authorization_of_another_scheme() -> None:
    admission = Admission(Keys())
    assert admission.sender_of(b"Basic eDp5", b"good", b"") == Sender("shop", key_id("good"))
    with pytest.raises(InputError) as caught:
        admission.sender_of(b"Basic eDp5", None, b"")
    assert caught.value.status == 401


@pytest.mark.parametrize(
    ("origin", "is_let_in"),
    [
        (b"https://shop.example", True),
        (b"HTTPS://Shop.example", True),
        (b"https://a.cdn.example:8443", True),
        (b"https://a.b.cdn.example:8443", True),
        (None, False),
        (b"", False),
        (b"null", False),
        (b"http://shop.example", False),
        (b"https://shop.example:444", False),
        (b"https://shop.example.evil.example", False),
        (b"https://evilshop.example", False),
        (b"https://cdn.example:8443", False),
        (b"https://.cdn.example:8443", False),
        (b"https://a.cdn.example", False),
        (b"https://a.cdn.example:8443.evil.example", False),
        (b"https://evil.example/.cdn.example:8443", False),
        (b"\xff", False),
    ],
)
def test_a_key_for_pages_is_let_in_from_those_alone(origin: bytes | None, is_let_in: bool) -> None:
    admission = Admission(Keys())
    for _ in range(2):  # what is remembered must not let in what comes from elsewhere
        if is_let_in:
            assert admission.sender_of(b"Bearer web", None, b"", origin).app == "shop"
        else:
            with pytest.raises(InputError) as caught:
                admission.sender_of(b"Bearer web", None, b"", origin)
            assert (caught.value.status, caught.value.code) == (403, "origin_not_allowed")
        assert admission.sender_of(b"Bearer web", None, b"", b"https://shop.example").app == "shop"
    assert admission.sender_of(b"Bearer good", None, b"", origin).app == "shop"
