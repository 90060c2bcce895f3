"""Keys found, and remembered no longer than they should be."""

import pytest

from logkeep.errors import InputError
from logkeep.metastore.port import Credential
from logkeep.receiver.admission import Admission, key_id
from logkeep.receiver.limiter import Sender


class Keys:
    def __init__(self) -> None:
        self.known = {"good": Credential("shop", "write"), "reads": Credential("shop", "read")}
        self.asked = 0

    def credential(self, secret: str) -> Credential | None:
        self.asked += 1
        return self.known.get(secret)

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
