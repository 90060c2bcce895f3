"""Power loss, kill -9, failing fsyncs and full disks at every operation of a seeded run: nothing acknowledged is lost.

A failure names the run: `LOGKEEP_SIMULATION_SEED=… pytest tests/simulation` repeats it.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.simulation.disk import PowerLoss
from tests.simulation.world import GROUP, World

SEEDS = [int(seed) for seed in os.environ.get("LOGKEEP_SIMULATION_SEED", "1,2").split(",")]
STEPS = 40


@contextmanager
def told(**run: object) -> Iterator[None]:
    """A failure inside says how to repeat it."""
    try:
        yield
    except Exception as error:
        error.add_note(f"the run that failed: {run}")
        raise


def operations(seed: int) -> int:
    """How many operations the run of `seed` does when nothing happens to it; it must pass, too."""
    world = World(seed, seed)
    with told(seed=seed):
        world.open()
        world.work(STEPS)
        world.check()
    return world.disk.operations


def run_with_crash(seed: int, at: int, *, power: bool) -> None:
    world = World(seed, (seed, at, power))
    world.disk.crash_at = at
    try:
        world.open()
        world.work(STEPS)
    except PowerLoss:
        pass
    world.crash(power=power)
    go_on(world, power=True)


def go_on(world: World, *, power: bool) -> None:
    """The programs start again, are checked, work on, and crash once more, while nothing is under way."""
    world.open()
    world.check()
    world.work(10)
    world.crash(power=power)
    world.open()
    world.check()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("power", [True, False], ids=["power loss", "kill"])
def test_nothing_acknowledged_is_lost_whenever_it_dies(seed: int, power: bool) -> None:
    for at in range(1, operations(seed) + 1):
        with told(seed=seed, at=at, power=power):
            run_with_crash(seed, at, power=power)


@pytest.mark.parametrize("seed", SEEDS)
def test_power_lost_again_while_it_is_repaired_loses_nothing(seed: int) -> None:
    count = operations(seed)
    for second in range(1, 13):
        with told(seed=seed, second=second):
            world = World(seed, (seed, second, "twice"))
            world.disk.crash_at = world.random.randrange(1, count)
            for crash_at in (second, None):
                try:
                    world.open()
                    world.work(STEPS)
                except PowerLoss:
                    pass
                world.crash(power=True)
                world.disk.crash_at = crash_at
            go_on(world, power=True)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("power", [True, False], ids=["then power loss", "then kill"])
def test_a_failing_disk_stops_the_partition_and_loses_nothing(seed: int, power: bool) -> None:
    """After the failure the programs go on, are killed at some time, start again on the same page cache, and only then
    is the power lost: what a failed fsync left in memory must not pass for durable."""
    for at in range(1, operations(seed) + 1):
        with told(seed=seed, at=at, power=power):
            world = World(seed, (seed, at, "fail"))
            world.open()
            world.disk.fail = {at: errno.EIO}
            world.work(STEPS)
            world.disk.fail = {}
            world.crash(power=power)
            go_on(world, power=True)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_full_disk_refuses_and_goes_on_when_there_is_room(seed: int) -> None:
    for round_number in range(30):
        with told(seed=seed, round_number=round_number):
            world = World((seed, round_number), (seed, round_number, "full"))
            world.open()
            world.work(15)
            world.disk.capacity_bytes = world.disk.used_bytes() + world.random.randrange(600)
            world.work(15)
            world.check()
            world.disk.capacity_bytes = 1 << 40
            world.clock.advance(1)
            world._append()
            assert world.stopped == set()
            world.crash(power=True)
            go_on(world, power=True)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_a_full_disk_refused_does_not_come_back_after_power_loss(seed: int) -> None:
    for round_number in range(60):
        with told(seed=seed, round_number=round_number):
            world = World((seed, round_number), (seed, round_number, "refused"))
            world.open()
            world.work(3)
            world.disk.capacity_bytes = world.disk.used_bytes() + world.random.randrange(1500)
            while all(sent.state == "acknowledged" for sent in world.by_payload.values()):
                world._append()
            world.crash(power=True)
            go_on(world, power=True)


def test_the_runs_do_what_they_are_meant_to() -> None:
    """Rolls over, also for age, trims, is full and commits: a workload that did not would prove nothing."""
    world = World(SEEDS[0], "coverage")
    world.open()
    world.work(400)
    states = {sent.state for sents in world.sent.values() for sent in sents}
    first_names = [world.disk.list(world.keeper._folder / partition)[0] for partition in ("a", "b")]
    assert states == {"acknowledged", "refused"}
    assert all(int(name[:20]) > 0 for name in first_names)
    assert world.sealed > 0
    assert sorted(world.keeper.marks(GROUP)) == ["a", "b"]
