"""What devices and issues may tell: bounds, and what is made of it."""

import msgspec
import pytest

from logkeep.decode.devices import KEYS_MAX, DeviceNotice, joined
from logkeep.decode.issues import STACK_KEPT_CHARS, IssueNotice, kept_stack, version_key


@pytest.mark.parametrize(
    "body",
    [
        {"device": ""},
        {},
        {"device": "d" * 513},
        {"device": "ü" * 257},
        {"device": "d", "model": "m" * 193},
        {"device": "d", "name": "ü" * 97},
        {"device": "d", "keys": {"k" * 65: 1}},
        {"device": "d", "keys": {"": 1}},
        {"device": "d", "keys": {"k": "v" * 193}},
        {"device": "d", "keys": {"k": {"deep": 1}}},
        {"device": "d", "keys": {"k": 2**63}},
        {"device": 7},
        {"device": "d", "os": 14},
    ],
    ids=lambda body: repr(body)[:40],
)
def test_a_device_that_tells_too_much_or_the_wrong_thing_is_refused(body: dict) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(msgspec.json.encode(body), type=DeviceNotice)


def test_of_more_keys_than_a_device_may_have_the_first_are_kept() -> None:
    told = {"device": "d", "keys": {f"k{index}": index for index in range(KEYS_MAX + 1)}}
    notice = msgspec.json.decode(msgspec.json.encode(told), type=DeviceNotice)
    device = joined(None, notice, "shop", 1)
    assert device.keys == {f"k{index}": index for index in range(KEYS_MAX)}
    assert joined(device, DeviceNotice(device="d", keys={"k0": None, "new": 1}), "shop", 2).keys["new"] == 1


@pytest.mark.parametrize(
    "body",
    [
        {"session": "s"},
        {"session": "", "title": "t"},
        {"title": "t"},
        {"session": "s", "title": " \n"},
        {"session": "s", "title": "t" * 301},
        {"session": "s", "title": "t", "kind": "panic"},
        {"session": "s", "text": "t" * 65_537},
        {"session": "s", "title": "t", "fingerprint": ""},
        {"session": "s", "title": "t", "fingerprint": "f" * 201},
        {"session": "s", "title": "t", "id": "i" * 201},
        {"session": "s", "title": "t", "user": "ü" * 257},
        {"session": "s", "title": "t", "app_version": "v" * 193},
        {"session": "s", "stack": "s" * (1 << 20) + "s"},
    ],
    ids=lambda body: repr(body)[:40],
)
def test_an_issue_that_tells_too_little_or_too_much_is_refused(body: dict) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(msgspec.json.encode(body), type=IssueNotice)


def test_a_stack_of_any_length_is_kept_within_its_bound() -> None:
    assert kept_stack("x" * STACK_KEPT_CHARS) == "x" * STACK_KEPT_CHARS
    kept = kept_stack("a" * STACK_KEPT_CHARS + "z" * STACK_KEPT_CHARS)
    assert len(kept) < STACK_KEPT_CHARS + 60 and kept[0] == "a" and kept[-1] == "z"
    assert "131,072 characters are left out" in kept


def test_versions_are_in_the_order_people_mean() -> None:
    versions = ["", "0.9", "1.9", "1.10", "2.0-beta", "2.0-beta2", "2.0-rc.1", "2.0", "2.0.1", "2.1", "10", "9" * 500]
    assert sorted(versions, key=version_key) == versions
    assert version_key("2.0") == version_key("2.0.0") == version_key("v2") == version_key("2.0+build7")
