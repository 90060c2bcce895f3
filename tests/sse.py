"""A reader of server-sent events over a real socket, for tests: it can read, stall, and be killed."""

import json
import socket
import struct
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from logkeep.cli.tail import Message, messages

WAIT_S = 60.0  # a bound for a loaded machine


class Reader:
    """One open tail. Nothing is read before it is asked for, so a reader that is not asked is a stalled one."""

    def __init__(
        self, url: str, headers: Mapping[str, str], *, receive_bytes: int | None = None, **parameters: str
    ) -> None:
        parts = urlsplit(url)
        self._socket = socket.socket()
        if receive_bytes is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self._socket.settimeout(WAIT_S)
        self._socket.connect((parts.hostname, parts.port))
        lines = [f"GET /api/v1/tail?{urlencode(parameters)} HTTP/1.1", f"Host: {parts.netloc}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode())
        self._file = self._socket.makefile("rb")
        self.status = int(self._file.readline().split()[1])
        self.headers: dict[str, str] = {}
        while line := self._file.readline().rstrip():
            name, _, value = line.decode().partition(":")
            self.headers[name.lower()] = value.strip()
        self.comments = 0
        self.last_id = ""
        self.ended = False
        self._messages = messages(self._lines())

    def _chunks(self) -> Any:
        while size := int(self._file.readline() or b"0", 16):
            yield self._file.read(size)
            self._file.readline()
        self.ended = True

    def _lines(self) -> Any:
        begun = b""
        for chunk in self._chunks():
            *lines, begun = (begun + chunk).split(b"\n")
            for line in lines:
                self.comments += line.startswith(b":")
                yield line

    def next(self) -> Message | None:
        """The next message that has data, None at the end of the stream."""
        for message in self._messages:
            self.last_id = message.id or self.last_id
            if message.data:
                return message
        return None

    def begin(self) -> "Reader":
        """Itself, once the service has told from where on it is live."""
        while not self.last_id:
            found = next(self._messages)
            self.last_id = found.id
        return self

    def events(self, count: int) -> list[dict[str, Any]]:
        """The data of the next `count` events; notices between them fail the test."""
        found = []
        for _ in range(count):
            message = self.next()
            assert message is not None and message.event == "message", message
            found.append(json.loads(message.data))
        return found

    def until(self, event_id: str) -> tuple[list[str], list[dict[str, Any]]]:
        """The ids of all events up to this one, and the notices between them."""
        ids: list[str] = []
        notices: list[dict[str, Any]] = []
        deadline = time.monotonic() + WAIT_S
        while not ids or ids[-1] != event_id:
            assert time.monotonic() < deadline, f"{event_id} did not come; {len(ids)} did"
            message = self.next()
            assert message is not None, f"the stream ended before {event_id}, with {notices}"
            if message.event == "message":
                ids.append(json.loads(message.data)["id"])
            else:
                notices.append({"event": message.event, **json.loads(message.data)})
        return ids, notices

    def until_end(self) -> None:
        """The stream is read to its end, which the service has made."""
        while self.next() is not None:
            pass
        assert self.ended
        self.close()

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def kill(self) -> None:
        """As when its machine is gone: a reset instead of a goodbye."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()
