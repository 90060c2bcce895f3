"""A whole receiver process on a real queue: SIGTERM under load loses nothing it acknowledged."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from logkeep.clock import SystemClock
from logkeep.decode.frame import read_frame_header
from logkeep.disk import SystemDisk
from logkeep.queue.local import LocalQueue
from logkeep.settings import QueueSettings

WAIT_S = 30.0
PROGRAM = """
import sys
from pathlib import Path
from logkeep.clock import SystemClock
from logkeep.disk import SystemDisk
from logkeep.metastore.port import Credential
from logkeep.queue.local import LocalQueue
from logkeep.receiver.process import run_http_receiver
from logkeep.settings import load
from logkeep.telemetry import Telemetry, configure_logging

class Keys:
    def credential(self, secret):
        return Credential("shop", "write")
    def outdated(self):
        return None
    def app_names(self):
        return ["shop"]
    def default_app(self):
        return "shop"

configure_logging()
settings = load(environment={}, flags={"intake.port": 0})
queue = LocalQueue(Path(sys.argv[1]), settings.queue, disk=SystemDisk(), clock=SystemClock(), write=["http-0"])
tell = lambda port: print(port, flush=True)
run_http_receiver(settings, queue=queue, partition="http-0", metastore=Keys(), telemetry=Telemetry(), on_listening=tell)
queue.close()
"""
REQUEST = (
    b"POST /v1/events HTTP/1.1\r\nAuthorization: Bearer k\r\nContent-Length: 35\r\n\r\n"
    b'{"session":"s","key":"k","value":1}'
)


def acknowledged_until_closed(port: int) -> int:
    """Sends one event after the other until the receiver closes; how many were acknowledged."""
    count = 0
    with socket.create_connection(("127.0.0.1", port), timeout=WAIT_S) as client:
        try:
            while True:
                client.sendall(REQUEST)
                answer = client.recv(4096)
                if not answer.startswith(b"HTTP/1.1 202"):
                    return count
                count += 1
        except ConnectionError:
            return count


def events_in(folder: Path) -> int:
    queue = LocalQueue(folder, QueueSettings(), disk=SystemDisk(), clock=SystemClock())
    count = 0
    while records := queue.read("test", records_max=1000, bytes_max=1 << 24):
        count += sum(read_frame_header(record.payload).count for record in records)
    queue.close()
    return count


def test_sigterm_under_load_keeps_what_was_acknowledged_and_exits_cleanly(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        counts: list[int] = []
        senders = [threading.Thread(target=lambda: counts.append(acknowledged_until_closed(port))) for _ in range(8)]
        for sender in senders:
            sender.start()
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_S) == 0
        for sender in senders:
            sender.join(WAIT_S)
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
    assert sum(counts) > 0
    assert sum(counts) <= events_in(tmp_path) <= sum(counts) + len(senders)
