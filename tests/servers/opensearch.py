"""A real OpenSearch node on loopback, or a cluster of some."""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
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
    port = free_port()
    with folder_of("opensearch", folder) as place, node(place, port, node_settings(port)) as server:
        yield server


@contextmanager
def cluster(folder: Path, nodes: int = 3, *, settings: Sequence[str] = ()) -> Iterator[list[ServerProcess]]:
    """Nodes that hold each other's copies; all of them are ready. settings: of each besides, NAME=VALUE."""
    ports, transports = ([free_port() for _ in range(nodes)] for _ in range(2))
    names = [f"node-{number}" for number in range(nodes)]
    together = [
        *settings,
        "discovery.seed_hosts=" + ",".join(f"127.0.0.1:{port}" for port in transports),
        f"cluster.initial_cluster_manager_nodes={','.join(names)}",
        # A node that is gone is seen by its closed connections; one that hangs, after three of these.
        "cluster.fault_detection.follower_check.timeout=2s", "cluster.fault_detection.leader_check.timeout=2s",
    ]  # fmt: skip
    with ExitStack() as stack:
        servers = []
        for name, port, transport in zip(names, ports, transports, strict=True):
            own = [*common_settings(name, port, transport), *together]
            servers.append(node(folder / name, port, own, heap="320m"))
        for server in servers:
            stack.callback(server.kill)
            server.launch()
        for server in servers:
            server.wait_until_ready()
        yield servers


def node(place: Path, port: int, settings: Sequence[str], *, heap: str = HEAP) -> ServerProcess:
    """Not started yet."""
    libraries = fetched(*LIBRARY)
    place.mkdir(parents=True, exist_ok=True)
    command = [
        *java(heap), "-Dio.netty.allocator.numDirectArenas=0", "-Dlog4j2.disable.jmx=true",
        f"-Djava.io.tmpdir={place}", "-cp", f"{libraries}/classes:{libraries}/jars/*", PROGRAM,
        f"{place}/home", *settings, f"path.data={place}/data", f"path.logs={place}/logs",
    ]  # fmt: skip
    return node_process(command, place / "opensearch.log", port)


def node_settings(port: int) -> list[str]:
    """Of a node alone. Elasticsearch's too."""
    return [*common_settings("one", port, free_port(taken=port)), "discovery.type=single-node"]


def common_settings(name: str, port: int, transport: int) -> list[str]:
    """One node holds the shards of all suites, on whatever disk there is."""
    return [
        "cluster.name=logkeep-tests", f"node.name={name}", "network.host=127.0.0.1", f"http.port={port}",
        f"transport.port={transport}", "node.processors=2",
        "cluster.routing.allocation.disk.threshold_enabled=false", "cluster.max_shards_per_node=5000",
    ]  # fmt: skip


def node_process(command: list[str], log: Path, port: int) -> ServerProcess:
    url = f"http://127.0.0.1:{port}"
    return ServerProcess(command, log, ready=lambda said: answers_ok(f"{url}/_cluster/health"), url=url)


shared = process.shared(running)


def shared_url() -> str:
    """The address of the shared one, or of the one that LOGKEEP_TEST_OPENSEARCH_URL names, which is left running."""
    return os.environ.get("LOGKEEP_TEST_OPENSEARCH_URL") or shared().url
