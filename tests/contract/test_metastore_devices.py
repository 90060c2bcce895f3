"""What the metastore promises about devices, on SQLite, MariaDB and PostgreSQL."""

import pytest
from tests.contract.device_worlds import ODD, T0, World, at_once, pixel

from logkeep.clock import NS_PER_S
from logkeep.decode.devices import KEYS_MAX, Device, DeviceNotice
from logkeep.errors import InputError
from logkeep.metastore import devices
from logkeep.metastore.devices import Place
from logkeep.metastore.remote import Wanted
from logkeep.metastore.trimming import Trimming
from logkeep.query.device_parser import parse_device_query


def test_a_device_is_known_by_everything_it_has_told(world: World) -> None:
    world.register(pixel(keys={"plan": "gold", "level": 5, "beta": True}), pixel(user="anna", language="de"))
    world.clock.advance(60)
    world.register(DeviceNotice(device="d1", app_version="3.2", keys={"plan": None, "level": 6.5}))
    assert world.devices.named("shop", ["d1", "d2"]) == {
        "d1": Device(
            app="shop", device="d1", first_ns=T0, last_ns=T0 + 60 * NS_PER_S, user="anna", model="Pixel 8",
            os="Android", app_version="3.2", language="de", keys={"level": 6.5, "beta": True},
        )
    }  # fmt: skip


def test_what_comes_late_does_not_replace_what_is_newer(world: World) -> None:
    """Two receivers had it, and the older one's partition was behind. A device's own clock is not asked."""
    world.register(pixel(app_version="3.2", keys={"plan": "gold"}), received_ns=T0 + 10)
    world.register(pixel(app_version="3.1", name="Anna's", keys={"plan": "free", "beta": True}), received_ns=T0)
    (device,) = world.devices.named("shop", ["d1"]).values()
    assert (device.app_version, device.name) == ("3.2", "Anna's")
    assert device.keys == {"plan": "gold", "beta": True}
    assert (device.first_ns, device.last_ns) == (T0, T0 + 10)


def test_custom_keys_are_bounded_and_those_that_were_first_stay(world: World) -> None:
    for start in range(0, 2 * KEYS_MAX, 16):
        world.register(pixel(keys={f"k{index}": index for index in range(start, start + 16)}))
    (device,) = world.devices.named("shop", ["d1"]).values()
    assert device.keys == {f"k{index}": index for index in range(KEYS_MAX)}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["old", "d1", ODD]),
        ("name:anna*", ["d1"]),
        ("name=anna", []),
        ("model:pixel*", ["d1"]),
        ("model=Galaxy", [ODD]),
        ("os:android app_version:3.1", ["d1"]),
        ("app_version:3*", ["d1"]),
        ("language:de or os_version:17", ["old", "d1"]),
        ("keys.plan=gold", ["d1"]),
        ("keys.level>4 keys.level<6", ["d1"]),
        ("keys.beta:true", ["d1"]),
        ("keys.plan:*", ["d1", ODD]),
        ("-os:ios", ["d1", ODD]),
        ("user:anna", ["d1"]),
        ("device:d1", ["d1"]),
        ("name:100%*", [ODD]),
        ("name:_", []),
        ("phone", ["d1"]),
        ("enabled:false", ["old"]),
    ],
)
def test_devices_are_found_by_whatever_they_told_latest_first(it_world: World, query: str, found: list[str]) -> None:
    enabled = {"old": False}.get
    assert it_world.find(query, enabled=lambda device: enabled(device.device, True)) == found


def test_pages_of_devices_meet_without_a_gap(world: World) -> None:
    world.register(*(pixel(f"d{index}", model=f"M{index % 2}") for index in range(20)))
    world.clock.advance(1)
    world.register(*(pixel(f"e{index}") for index in range(5)))
    names: list[str] = []
    after: Place | None = None
    while True:
        page = world.devices.find("shop", parse_device_query("-model:m1"), limit=4, after=after)
        names += [device.device for device in page.devices]
        if page.next is None:
            break
        after = page.next
    assert sorted(names) == sorted([*(f"d{index}" for index in range(0, 20, 2)), *(f"e{index}" for index in range(5))])
    assert {name[0] for name in names[:5]} == {"e"}


def test_a_page_ends_when_enough_was_looked_at(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "LOOKED_AT_MAX", 7)
    world.register(*(pixel(f"d{index}", language="de" if index == 19 else "en") for index in range(20)))
    looks, after, found = 0, None, []
    while looks < 10:
        page = world.devices.find("shop", parse_device_query("language:de"), limit=5, after=after)
        looks, after, found = looks + 1, page.next, found + page.devices
        if after is None:
            break
    assert [device.device for device in found] == ["d19"] and looks == 3


def test_people_label_a_device_and_forget_it(world: World) -> None:
    world.register(pixel(name="sdk_gphone64"))
    assert world.devices.label("shop", "d1", "Anna's test phone").label == "Anna's test phone"
    world.register(pixel(name="sdk_gphone64_x"))
    assert world.find('name:"anna\'s test phone"') == ["d1"]
    for bad in ("x" * 201, "a\nb"):
        with pytest.raises(InputError):
            world.devices.label("shop", "d1", bad)
    for app, name in (("other", "d1"), ("shop", "unknown")):
        with pytest.raises(InputError) as refused:
            world.devices.label(app, name, "mine")
        assert refused.value.status == 404
    assert not world.devices.forget("other", "d1")
    assert world.devices.forget("shop", "d1") and not world.devices.forget("shop", "d1")
    assert world.find() == []


def test_devices_that_told_nothing_for_long_are_forgotten(world: World) -> None:
    world.register(pixel("old"))
    world.clock.advance(300 * 86_400)
    world.register(pixel("new"))
    world.clock.advance(200 * 86_400)
    world.remote.make("shop", Wanted("device", "new", 60, enabled=True), "eve")
    old = Trimming(world.database, world.clock)
    old.trim()
    assert (world.find(), len(world.remote.rules("shop"))) == (["new"], 1)
    world.clock.advance(8 * 86_400)
    old.trim()
    assert world.database.read(lambda transaction: transaction.rows("SELECT rule FROM remote_rules")) == []


def test_two_that_register_one_device_at_once_make_one(world: World) -> None:
    results = at_once(*(lambda index=index: world.register(pixel(keys={f"k{index}": index})) for index in range(4)))
    assert all(isinstance(result, list) for result in results), results
    (device,) = world.devices.named("shop", ["d1"]).values()
    assert device.keys == {f"k{index}": index for index in range(4)}
