import pytest

from logkeep.processor import udp_loss
from logkeep.processor.udp_loss import CLIENTS_MAX, OTHER, SNAPSHOT_BYTES_MAX, UdpLoss


def row(component: str = "cart", client: str = "c", **counts: int) -> dict[str, object]:
    zero = {"received": 0, "missing": 0, "duplicates": 0, "restarts": 0, "first": 0, "highest": 0}
    return {"component": component, "client": client, **zero, **counts}


def observed(*batches: list[int]) -> dict[str, object]:
    loss = UdpLoss()
    for batch in batches:
        loss.observe("app", "cart", "c", batch)
    [only] = loss.rows("app")
    return only


def test_numbers_without_a_gap_miss_nothing() -> None:
    assert observed([1, 2, 3], [4, 5]) == row(received=5, first=1, highest=5)


def test_a_gap_is_missing_until_it_is_filled() -> None:
    assert observed([1, 2, 6]) == row(received=3, missing=3, first=1, highest=6)
    assert observed([1, 2, 6], [4]) == row(received=4, missing=2, first=1, highest=6)
    assert observed([1, 2, 6], [4], [5, 3]) == row(received=6, first=1, highest=6)


def test_the_second_number_may_come_before_the_first() -> None:
    assert observed([5], [3], [4]) == row(received=3, first=3, highest=5)


def test_a_number_that_comes_twice_is_received_once() -> None:
    assert observed([1, 2, 2, 3], [3, 1]) == row(received=3, duplicates=3, first=1, highest=3)


def test_a_late_number_of_a_gap_counts_once() -> None:
    assert observed([1, 3], [2], [2]) == row(received=3, duplicates=1, first=1, highest=3)


def test_numbers_that_fall_far_back_are_a_restart() -> None:
    assert observed(list(range(5000)), [0, 1, 3]) == row(received=5003, missing=1, restarts=1, first=0, highest=3)


def test_a_short_numbering_repeated_from_its_first_number_is_a_restart() -> None:
    once = list(range(1, 51))
    assert observed(once + once) == row(received=100, restarts=1, first=1, highest=50)
    assert observed(once, *([n] for n in once)) == row(received=100, restarts=1, first=1, highest=50)


def test_losses_before_a_restart_stay_counted() -> None:
    assert observed([0, 2000], [0, 1]) == row(received=4, missing=1999, restarts=1, first=0, highest=1)


def test_an_absurd_step_forward_is_a_new_numbering_not_a_loss() -> None:
    assert observed([1, 1 << 60]) == row(received=2, restarts=1, first=1 << 60, highest=1 << 60)


def test_more_gaps_than_are_kept_are_settled_as_lost() -> None:
    evens = list(range(0, 2000, 2))
    assert observed(evens, [1997]) == row(received=1001, missing=998, first=0, highest=1998)
    assert observed(evens, [1400 - 1]) == row(received=1000, missing=999, duplicates=1, first=0, highest=1998)


def test_apps_components_and_clients_are_counted_apart_and_most_missing_comes_first() -> None:
    loss = UdpLoss()
    loss.observe("a", "cart", "x", [1, 2])
    loss.observe("a", "pay", "x", [1, 4])
    loss.observe("a", "pay", "y", [7])
    loss.observe("b", "cart", "x", [9])

    assert loss.rows("a") == [
        row("pay", "x", received=2, missing=2, first=1, highest=4),
        row("cart", "x", received=2, first=1, highest=2),
        row("pay", "y", received=1, first=7, highest=7),
    ]
    assert loss.missing_by_component() == {"cart": 0, "pay": 2}
    assert loss.rows("nobody") == []


def test_beyond_the_bound_the_stalest_client_of_the_largest_app_is_summed_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(udp_loss, "CLIENTS_MAX", 3)
    loss = UdpLoss()
    loss.observe("small", "cart", "s", [1])
    loss.observe("big", "cart", "one", [1, 3])
    loss.observe("big", "cart", "two", [1])
    loss.observe("big", "cart", "one", [4])
    loss.observe("big", "cart", "three", [1])

    assert loss.rows("small") == [row("cart", "s", received=1, first=1, highest=1)]
    assert loss.rows("big") == [
        row("cart", "one", received=3, missing=1, first=1, highest=4),
        row("cart", "three", received=1, first=1, highest=1),
        row(OTHER, OTHER, received=1, first=-1, highest=-1),
    ]


def test_a_snapshot_goes_on_where_it_was_made() -> None:
    loss = UdpLoss()
    loss.observe("a", "cart", "x", [1, 2, 5])
    again = UdpLoss.from_bytes(loss.to_bytes())
    again.observe("a", "cart", "x", [3, 5, 6])

    assert again.rows("a") == [row("cart", "x", received=5, missing=1, duplicates=1, first=1, highest=6)]


def test_an_empty_or_unreadable_snapshot_starts_anew() -> None:
    assert UdpLoss.from_bytes(b"").rows("a") == []
    assert UdpLoss.from_bytes(b"\xff\x00 nonsense").rows("a") == []


def test_a_snapshot_of_long_names_stays_under_its_bound_and_keeps_the_sums() -> None:
    loss = UdpLoss()
    for number in range(CLIENTS_MAX):
        loss.observe("a", "c" * 200, f"{number:0200}", [1, 3])
    snapshot = loss.to_bytes()
    rows = UdpLoss.from_bytes(snapshot).rows("a")

    assert len(snapshot) <= SNAPSHOT_BYTES_MAX
    assert sum(int(str(r["received"])) for r in rows) == 2 * CLIENTS_MAX
    assert sum(int(str(r["missing"])) for r in rows) == CLIENTS_MAX
