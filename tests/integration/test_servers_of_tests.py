"""The servers that tests start: ended and started again as asked, and outliving nobody."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.servers.process import ServerProcess
from tests.service import is_alive, wait_for

# Ready at once, and it takes a request to end in order.
SERVER = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(print('in order', flush=True)))
print('ready', flush=True)
time.sleep(600)
"""
TESTS = """
import signal, sys
from pathlib import Path
from tests.servers.process import ServerProcess
with ServerProcess(sys.argv[2:], Path(sys.argv[1]), ready=lambda said: 'ready' in said) as server:
    print(server.pid, flush=True)
    signal.pause()
"""
COMMAND = [sys.executable, "-c", SERVER]


def test_a_server_is_ended_in_order_or_not_and_started_again(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with ServerProcess(COMMAND, log, ready=lambda said: said == "ready\n") as server:
        first = server.pid
        server.kill()
        assert not is_alive(first) and log.read_text() == "ready\n"
        server.start()
        server.stop()
        assert log.read_text() == "ready\nready\nin order\n"
        server.start()
        assert is_alive(server.pid)
    assert not is_alive(server.pid)


def test_a_server_that_ends_before_it_is_ready_says_what_it_said(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no such option')"]
    with pytest.raises(AssertionError, match="no such option"):
        ServerProcess(command, tmp_path / "log", ready=lambda said: False).start()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_server_outlives_nobody(tmp_path: Path, number: signal.Signals) -> None:
    tests = subprocess.Popen(
        [sys.executable, "-c", TESTS, str(tmp_path / "log"), *COMMAND], stdout=subprocess.PIPE, text=True
    )
    with tests:
        assert tests.stdout is not None
        server = int(tests.stdout.readline())
        assert is_alive(server)
        tests.send_signal(number)
    wait_for(lambda: not is_alive(server), 20.0, "the server to end")
