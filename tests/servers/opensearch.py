"""A real OpenSearch node on loopback: one for all tests of a run, or one of its own for a test that kills it."""

import os
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.servers.java import HEAP_MB, HERE, JavaProcess, prepared, program_of
from tests.service import answers_ok, free_port

NAME = "opensearch_node"
_folders: list[TemporaryDirectory[str]] = []


def node(folder: Path) -> tuple[JavaProcess, str]:
    """A node that keeps its data in `folder`, not started, and its address."""
    libraries = prepared(NAME)
    port, transport = free_port(), free_port()
    url = f"http://127.0.0.1:{port}"
    command = [
        "java", f"-Xms{HEAP_MB}m", f"-Xmx{HEAP_MB}m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
        "-Dio.netty.allocator.numDirectArenas=0", "-Dlog4j2.disable.jmx=true",
        f"-Dlog4j2.configurationFile=file:{HERE}/log4j2.properties", f"-Djava.io.tmpdir={folder}",
        "-cp", f"{program_of(NAME)}:{libraries}/jars/*", "OpenSearchNode", str(folder / "home"),
        "cluster.name=logkeep-tests", "node.name=one", "network.host=127.0.0.1", f"http.port={port}",
        f"transport.port={transport}", "discovery.type=single-node", f"path.data={folder}/data",
        f"path.logs={folder}/logs", "node.processors=2", "cluster.routing.allocation.disk.threshold_enabled=false",
        "cluster.max_shards_per_node=5000",
    ]  # fmt: skip
    return JavaProcess(command, folder / "log", lambda: answers_ok(f"{url}/_cluster/health")), url


@lru_cache(maxsize=1)
def shared_url() -> str:
    """The address of the node that all tests of this run share; it ends with them.

    LOGKEEP_TEST_OPENSEARCH_URL names one that runs already: it saves a start when a test is run again.
    """
    if url := os.environ.get("LOGKEEP_TEST_OPENSEARCH_URL"):
        return url
    _folders.append(TemporaryDirectory(prefix="logkeep-opensearch-", ignore_cleanup_errors=True))
    process, url = node(Path(_folders[-1].name))
    process.start()
    return url


if __name__ == "__main__":  # scripts/install_servers.sh
    prepared(NAME)
