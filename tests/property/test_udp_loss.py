"""Gap counting agrees with a plain set of what was sent and what came."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from logkeep.processor.udp_loss import RESTART_RUN, UdpLoss


@st.composite
def arrivals(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    """Numbers in order of arrival: some lost, a few twice, each displaced by fewer places than the window; and cuts."""
    start, count = draw(st.integers(0, 1000)), draw(st.integers(1, 300))
    lost = draw(st.sets(st.integers(start, start + count - 1), max_size=count - 1))
    twice = draw(st.lists(st.integers(start, start + count - 1), max_size=RESTART_RUN - 1, unique=True))
    sent = [n for n in range(start, start + count) if n not in lost]
    sent += [n for n in twice if n not in lost]
    shift = draw(st.lists(st.integers(0, 40), min_size=len(sent), max_size=len(sent)))
    order = [n for _, n in sorted(zip((n + s for n, s in zip(sent, shift, strict=True)), sent, strict=True))]
    cuts = sorted(draw(st.lists(st.integers(0, len(order)), max_size=5)))
    return order, [0, *cuts, len(order)]


@given(arrivals())
def test_received_missing_and_duplicates_are_those_of_the_set_however_the_arrivals_are_cut(
    case: tuple[list[int], list[int]],
) -> None:
    order, cuts = case
    loss = UdpLoss()
    for start, end in pairwise(cuts):
        loss.observe("app", "cart", "c", order[start:end])
        loss = UdpLoss.from_bytes(loss.to_bytes())

    distinct = set(order)
    assert loss.rows("app") == [
        {
            "component": "cart",
            "client": "c",
            "received": len(distinct),
            "missing": max(order) - min(order) + 1 - len(distinct),
            "duplicates": len(order) - len(distinct),
            "restarts": 0,
            "first": min(order),
            "highest": max(order),
        }
    ]


@given(st.lists(st.lists(st.integers(-5, 1 << 64), max_size=20), max_size=20))
def test_any_numbers_leave_a_state_that_adds_up(batches: list[list[int]]) -> None:
    loss = UdpLoss()
    for batch in batches:
        loss.observe("app", "cart", "c", batch)

    taken = sum(0 <= n < 1 << 63 for batch in batches for n in batch)
    rows = loss.rows("app")
    assert sum(int(str(row["received"])) + int(str(row["duplicates"])) for row in rows) == taken
    assert all(int(str(row["missing"])) >= 0 for row in rows)
