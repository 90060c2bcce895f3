"""A real `logkeep serve` for benchmarks: started in a fresh folder, watched from /proc."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

LOGKEEP = str(Path(sys.executable).with_name("logkeep"))
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
INTAKE_PORT, API_PORT = 17310, 17311


class BenchService:
    """The service and what it costs. Ports are fixed: two benchmarks at once would measure each other anyway."""

    intake_url = f"http://127.0.0.1:{INTAKE_PORT}"
    api_url = f"http://127.0.0.1:{API_PORT}"

    def __init__(self, folder: Path, *, keep: bool = False, settings: Mapping[str, str] | None = None) -> None:
        """keep: go on with what the folder holds; else it is emptied first. settings: `LOGKEEP_…` variables."""
        self._keep = keep
        self._environment = {**os.environ, **(settings or {})}
        self.folder = folder / "data"
        self.log = folder / "serve.log"
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "BenchService":
        if not self._keep:
            shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> float:
        """Seconds until intake and API say they are ready."""
        command = [LOGKEEP, "serve", "--data", str(self.folder)]
        command += ["--intake", f"127.0.0.1:{INTAKE_PORT}", "--api", f"127.0.0.1:{API_PORT}"]
        if self._is_ready(self.intake_url) or self._is_ready(self.api_url):
            raise SystemExit(f"another service answers at {self.intake_url}; its figures would be taken for this one's")
        began = time.monotonic()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._environment
            )
        while not all(self._is_ready(url) for url in (self.intake_url, self.api_url)):
            if self.process.poll() is not None or time.monotonic() - began > 120:
                raise SystemExit(f"the service did not start; see {self.log}")
            time.sleep(0.01)
        return time.monotonic() - began

    @staticmethod
    def _is_ready(url: str) -> bool:
        try:
            return httpx.get(f"{url}/health/ready", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)

    @property
    def secrets(self) -> dict[str, str]:
        found: dict[str, str] = json.loads((self.folder / "first-run.json").read_bytes())
        return found

    def load(self, **options: Any) -> dict[str, Any]:
        """The report of `logkeep load` with these options."""
        return finished(self.start_load(**options))

    def start_load(self, **options: Any) -> "subprocess.Popen[bytes]":
        command = [LOGKEEP, "load", "--url", self.intake_url, "--key", self.secrets["app_key"], "--json"]
        for name, value in options.items():
            command += [f"--{name.replace('_', '-')}"] + ([] if value is True else [str(value)])
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)

    def datagrams(self, rate: int, seconds: float) -> dict[str, Any]:
        """What was sent of datagrams made beforehand."""
        command = [sys.executable, "-m", "bench.pipeline.datagrams", "127.0.0.1", str(INTAKE_PORT)]
        command += [self.secrets["app_key"], str(rate), str(seconds)]
        return finished(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE))

    def get(self, client: httpx.Client, path: str, **parameters: Any) -> Any:
        response = client.get(f"{self.api_url}{path}", params=parameters)
        response.raise_for_status()
        return response.json()

    def client(self) -> httpx.Client:
        return httpx.Client(headers={"Authorization": f"Bearer {self.secrets['api_token']}"}, timeout=120)

    def store_bytes(self) -> int:
        files = (self.folder / "store").rglob("*")
        return sum(file.stat().st_size for file in files if file.is_file())

    def ledger(self) -> dict[str, Any]:
        with self.client() as client:
            found: dict[str, Any] = self.get(client, "/api/v1/ledger")
            return found

    def wait_until_drained(self) -> float:
        """Seconds until nothing is queued. Rarer looks the longer it takes: each reads what is queued."""
        began = time.monotonic()
        while self.ledger()["queued"]:
            time.sleep(min(2.0, max(0.25, (time.monotonic() - began) / 10)))
        return time.monotonic() - began

    def pids(self) -> dict[str, int]:
        """Process ids by role."""
        assert self.process is not None
        found = {"supervisor": self.process.pid}
        for child in _children(self.process.pid):
            words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
            found[words[3].decode()] = child
        return found

    def cpu_s(self) -> dict[str, float]:
        return {role: cpu_s_of(pid) for role, pid in self.pids().items()}

    def memory_mb(self) -> dict[str, int]:
        return {role: resident_mb(pid) for role, pid in self.pids().items()}


def finished(load: "subprocess.Popen[bytes]") -> dict[str, Any]:
    output = load.communicate(timeout=1200)[0]
    found: dict[str, Any] = json.loads(output)
    return found


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def cpu_s_of(pid: int) -> float:
    """Seconds of CPU of a process, all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def resident_mb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) // 1024
    return 0
