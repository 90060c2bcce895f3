"""A real OpenSearch node on loopback."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers import process
from tests.servers.java import fetched, java
from tests.servers.process import ServerProcess, folder_of
from tests.service import answers_ok, free_port

PROGRAM = "OpenSearchNode"
LIBRARY = ("opensearch", PROGRAM)
HEAP = "512m"


@contextmanager
def running(folder: Path | None = None) -> Iterator[ServerProcess]:
    libraries, port = fetched(*LIBRARY), free_port()
    with folder_of("opensearch", folder) as place:
        command = [
            *java(HEAP), "-Dio.netty.allocator.numDirectArenas=0", "-Dlog4j2.disable.jmx=true",
            f"-Djava.io.tmpdir={place}", "-cp", f"{libraries}/classes:{libraries}/jars/*", PROGRAM,
            f"{place}/home", *node_settings(port), f"path.data={place}/data", f"path.logs={place}/logs",
        ]  # fmt: skip
        with node_process(command, place / "opensearch.log", port) as server:
            yield server


def node_settings(port: int) -> list[str]:
    """Elasticsearch's too. One node holds the shards of all suites, on whatever disk there is."""
    return [
        "cluster.name=logkeep-tests", "node.name=one", "network.host=127.0.0.1", f"http.port={port}",
        f"transport.port={free_port(taken=port)}", "discovery.type=single-node", "node.processors=2",
        "cluster.routing.allocation.disk.threshold_enabled=false", "cluster.max_shards_per_node=5000",
    ]  # fmt: skip


def node_process(command: list[str], log: Path, port: int) -> ServerProcess:
    url = f"http://127.0.0.1:{port}"
    return ServerProcess(command, log, ready=lambda said: answers_ok(f"{url}/_cluster/health"), url=url)


shared = process.shared(running)


def shared_url() -> str:
    """The address of the shared one, or of the one that LOGKEEP_TEST_OPENSEARCH_URL names, which is left running."""
    return os.environ.get("LOGKEEP_TEST_OPENSEARCH_URL") or shared().url
