"""The UDP receiver on a real socket."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from logkeep.decode.frame import FrameHeader, unpack_frame
from logkeep.errors import InputError
from logkeep.queue.port import Queue
from logkeep.receiver.udp import run_udp_receiver
from logkeep.receiver.udp_socket import READ_MAX, KernelDrops, datagram_reader, open_udp_socket
from logkeep.settings import Intake, Settings
from logkeep.telemetry import Telemetry

WAIT_S = 10.0
MIB = 1 << 20


class _KeptQueue:
    """Keeps payloads in memory; `held` lets a test stall the commit like a slow disk."""

    datagrams = "udp-0"

    def __init__(self) -> None:
        self.frames: list[tuple[FrameHeader, bytes]] = []
        self.change = threading.Condition()
        self.held = threading.Event()
        self.held.set()

    def append(self, partition: str, payloads: Sequence[bytes]) -> int:
        assert self.held.wait(WAIT_S)
        with self.change:
            self.frames += map(unpack_frame, payloads)
            self.change.notify_all()
        return 0

    def lines(self) -> list[bytes]:
        return [line for _, body in self.frames for line in body.split(b"\n")]

    def wait_for_events(self, count: int) -> None:
        with self.change:
            reached = self.change.wait_for(lambda: sum(h.count for h, _ in self.frames) >= count, WAIT_S)
        assert reached, f"{sum(h.count for h, _ in self.frames)} of {count} events"


class _Running(msgspec.Struct):
    queue: _KeptQueue
    telemetry: Telemetry
    sender: socket.socket
    stop: threading.Event
    thread: threading.Thread

    def finish(self) -> None:
        self.stop.set()
        self.thread.join(WAIT_S)
        assert not self.thread.is_alive()

    def value(self, name: str) -> float:
        return float(self.telemetry[name]._value.get())


@contextmanager
def receiving(**intake: str) -> Iterator[_Running]:
    opened = open_udp_socket("127.0.0.1", 0, buffer_bytes=16 * MIB)
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.connect(opened.getsockname())
    queue, telemetry, stop = _KeptQueue(), Telemetry(), threading.Event()
    port: Queue = queue  # type: ignore[assignment]
    settings = Settings(intake=Intake(**intake))  # type: ignore[arg-type]
    thread = threading.Thread(
        target=run_udp_receiver, args=(settings, port, telemetry, stop), kwargs={"opened": opened}, daemon=True
    )
    thread.start()
    running = _Running(queue, telemetry, sender, stop, thread)
    try:
        yield running
    finally:
        running.finish()
        sender.close()
        opened.close()


def test_datagrams_arrive_whole_and_in_order() -> None:
    sent = [f'{{"session":"s","key":"k","value":{n}}}'.encode() for n in range(3000)]
    with receiving() as running:
        for datagram in sent:
            running.sender.send(datagram)
        running.queue.wait_for_events(3000)

    assert running.queue.lines() == sent
    assert {(h.source, h.app, h.form, h.encoding) for h, _ in running.queue.frames} == {("udp", "", "ndjson", "plain")}
    assert [running.value("udp_datagrams"), running.value("udp_kernel_drops")] == [3000, 0]


def test_a_listener_with_a_default_app_names_it() -> None:
    with receiving(udp_default_app="shop") as running:
        running.sender.send(b"{}")
        running.queue.wait_for_events(1)

    assert [h.app for h, _ in running.queue.frames] == ["shop"]


def test_hostile_datagrams_are_kept_as_they_are_and_the_next_good_one_comes_through() -> None:
    hostile = [b"\x00", b"\xff\xfe\xfd", b"{" * 60_000, b"x" * 65_507, os.urandom(500).replace(b"\n", b"")]
    with receiving() as running:
        running.sender.send(b"")
        for datagram in [*hostile, b'{"good":1}']:
            running.sender.send(datagram)
        running.queue.wait_for_events(6)

    assert running.queue.lines() == [h.strip() for h in hostile] + [b'{"good":1}']
    assert [h.rejected for h, _ in running.queue.frames if h.rejected] == [{"invalid_json": 1}]


def test_what_the_kernel_holds_at_the_stop_signal_is_committed() -> None:
    with receiving() as running:
        running.sender.send(b"0")
        running.queue.wait_for_events(1)
        for n in range(1, 5 * READ_MAX):
            running.sender.send(str(n).encode())
        running.finish()

    assert running.queue.lines() == [str(n).encode() for n in range(5 * READ_MAX)]


def test_the_socket_is_emptied_while_a_commit_hangs() -> None:
    with receiving() as running:
        running.queue.held.clear()
        for n in range(20_000):
            running.sender.send(str(n).encode())
            if n % 1000 == 999:
                _wait_until_read(running, n)
        running.queue.held.set()
        running.queue.wait_for_events(20_000)

    assert running.queue.lines() == [str(n).encode() for n in range(20_000)]


def _wait_until_read(running: _Running, number: int) -> None:
    """The receiver has read `number` datagrams or more; lets other threads run meanwhile."""
    pause = threading.Event()
    for _ in range(int(WAIT_S * 1000)):
        if running.value("udp_datagrams") >= number:
            return
        pause.wait(0.001)
    raise AssertionError(f"{running.value('udp_datagrams')} of {number} datagrams read")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what it dropped")
def test_the_kernels_drops_are_counted_exactly() -> None:
    opened = open_udp_socket("127.0.0.1", 0, buffer_bytes=4096)
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with opened, sender:
        drops = KernelDrops(opened)
        sender.connect(opened.getsockname())
        for _ in range(1000):
            sender.send(b"x" * 300)
        received = len(datagram_reader(opened).read())

        assert 0 < received < 1000
        assert [received + drops.new(), drops.new()] == [1000, 0]


def test_a_port_in_use_is_refused_with_its_number() -> None:
    with open_udp_socket("127.0.0.1", 0, buffer_bytes=4096) as first:
        port = first.getsockname()[1]
        with pytest.raises(InputError, match=f"cannot listen for datagrams on 127.0.0.1:{port}"):
            open_udp_socket("127.0.0.1", port, buffer_bytes=4096)


PROGRAM = """
import signal, sys, threading
from pathlib import Path
from logkeep.receiver.udp import run_udp_receiver
from logkeep.receiver.udp_socket import open_udp_socket
from logkeep.settings import Settings
from logkeep.telemetry import Telemetry

class FileQueue:
    datagrams = 'udp-0'
    def append(self, partition, payloads):
        with open(sys.argv[1], "ab") as file:
            file.write(b"".join(payloads))
        return 0

stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
opened = open_udp_socket("127.0.0.1", 0, buffer_bytes=1 << 22)
print(opened.getsockname()[1], flush=True)
run_udp_receiver(Settings(), FileQueue(), Telemetry(), stop, opened=opened)
"""


def test_sigterm_ends_the_process_with_exit_code_0_and_everything_kept(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(kept)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process, process.stdout, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(("127.0.0.1", int(process.stdout.readline())))
        for n in range(2000):
            sender.send(b"event-%d;" % n)
        process.send_signal(signal.SIGTERM)
        code = process.wait(WAIT_S)

    assert [code, kept.read_bytes().count(b"event-")] == [0, 2000]
