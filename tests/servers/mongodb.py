"""A server that speaks the MongoDB wire protocol, on loopback: mongo-java-server, MongoDB written anew.

What passes here is "tested on the MongoDB wire protocol", not "on MongoDB": no package registry has a real mongod. This
one has no transactions, sessions, change streams, $text and explain, keeps indexes without using all of them, compares
texts by UTF-16 units, and reckons with long integers in doubles here and there.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers import process
from tests.servers.authority import Authority
from tests.servers.java import fetched, java
from tests.servers.process import ServerProcess, folder_of
from tests.service import free_port

PROGRAM = "MongoWire"
LIBRARY = ("mongodb", PROGRAM)


@contextmanager
def running(file: Path | None = None, *, authority: Authority | None = None) -> Iterator[ServerProcess]:
    """file: where it keeps its data, whole only after `stop`; None: in memory, gone when it ends.

    authority: with TLS, and nothing else.
    """
    libraries, port = fetched(*LIBRARY), free_port()
    program = ["-cp", f"{libraries}/classes:{libraries}/jars/*", PROGRAM, str(port)]
    with folder_of("mongodb") as place:
        tls = [f"-Dtls={authority.issue(place).bundle}"] if authority else []
        server = ServerProcess(
            [*java("768m"), *tls, *program, *([str(file)] if file else [])], place / "mongodb.log",
            ready=lambda said: "listening" in said, url=f"mongodb://127.0.0.1:{port}",
        )  # fmt: skip
        with server:
            yield server


shared = process.shared(running)
