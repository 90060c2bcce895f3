"""One processor process: the loop, and a small port for whoever watches it."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec

from logkeep.errors import InputError
from logkeep.processor.worker import Processor
from logkeep.telemetry import Telemetry, get_logger

REQUEST_TIMEOUT_S = 5.0
STOP_TIMEOUT_S = 8.0  # of the ten that a stop may take; a store that hangs answers a write after a minute or never

log = get_logger("processor")


def run_processor(
    processor: Processor, *, host: str, port: int, telemetry: Telemetry, problems: Callable[[], list[str]]
) -> None:
    """Returns after SIGTERM or SIGINT, the batch in hand being stored and committed.

    Where that takes longer than STOP_TIMEOUT_S the process ends there: what is in hand stands in its intent, and
    whoever owns the partition next finishes it.
    problems: why it cannot do its work now. Blocks; call it in the main thread of a process of its own. Raises what
    ended the processor, InputError when it cannot listen.
    """

    def stop(number: int, frame: object) -> None:
        processor.stop()
        cut = threading.Timer(STOP_TIMEOUT_S, _cut_off)
        cut.daemon = True
        cut.start()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    with watched(host, port, telemetry, problems):
        processor.run()


def _cut_off() -> None:
    log.warning("cut off at the end: what was being written is finished by its next owner")
    os._exit(0)


@contextmanager
def watched(host: str, port: int, telemetry: Telemetry, problems: Callable[[], list[str]]) -> Iterator[int]:
    """Inside, /health/live, /health/ready and /metrics are answered on the port that is given."""

    class Handler(BaseHTTPRequestHandler):
        timeout = REQUEST_TIMEOUT_S

        def do_GET(self) -> None:
            status, kind, body = _answer(self.path.partition("?")[0], telemetry, problems)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    try:
        server = ThreadingHTTPServer((host, port), Handler)
    except OSError as error:
        raise InputError(
            f"cannot listen on {host}:{port}: {error.strerror or error}; set processor.host, processor.port"
        ) from error
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="health", daemon=True)
    thread.start()
    log.info("processing", host=host, port=server.server_address[1])
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _answer(path: str, telemetry: Telemetry, problems: Callable[[], list[str]]) -> tuple[int, str, bytes]:
    if path == "/metrics":
        return 200, "text/plain; version=0.0.4; charset=utf-8", telemetry.exposition()
    if path == "/health/live":
        return 200, "application/json", b'{"status":"live"}'
    if path != "/health/ready":
        error = {"code": "not_found", "message": "only /health/live, /health/ready and /metrics are here"}
        return 404, "application/json", msgspec.json.encode({"error": error})
    found = problems()
    if not found:
        return 200, "application/json", b'{"status":"ready"}'
    return 503, "application/json", msgspec.json.encode({"error": {"code": "not_ready", "message": "; ".join(found)}})
