"""Which node of a cluster connections go to."""

import pytest

from logkeep.clock import ManualClock
from logkeep.errors import InputError
from logkeep.metastore.hosts import BACK_S, Place, Places, urls_of


def test_an_address_names_one_host_or_several() -> None:
    assert urls_of("mariadb://me:a%2Cb@h/n?x=1,2") == ["mariadb://me:a%2Cb@h/n?x=1,2"]
    assert urls_of("mariadb://me:p@a:1,b,[::1]:3/n") == [
        "mariadb://me:p@a:1/n", "mariadb://me:p@b/n", "mariadb://me:p@[::1]:3/n",
    ]  # fmt: skip
    assert urls_of("postgresql://a,b") == ["postgresql://a", "postgresql://b"]
    with pytest.raises(InputError):
        urls_of("mariadb://" + ",".join("abcdefghij") + "/n")


def test_connections_stay_where_one_was_had_and_go_back_to_the_first_after_a_while() -> None:
    clock, dead, asked = ManualClock(), {"a", "b"}, []
    places = Places([Place(name, None) for name in "abc"], clock)

    def connect(place: Place) -> str:
        asked.append(place.host)
        if place.host in dead:
            raise OSError(place.host)
        return place.host

    def connected() -> tuple[str, str]:
        asked.clear()
        return places.connected(connect, OSError), "".join(asked)

    assert connected() == ("c", "abc")
    dead.clear()
    assert connected() == ("c", "c")
    clock.advance(BACK_S + 1)
    assert connected() == ("a", "a")
    dead.update("abc")
    with pytest.raises(OSError):
        connected()
    assert asked == ["a", "b", "c"]
