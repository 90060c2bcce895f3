"""A real Elasticsearch node on loopback, one for all tests of a run.

It is the core of the server with its HTTP module: no other module of a distribution is published as a library. Bulk
requests, searches, aggregations, points in time and templates are in the core; scripts, reindexing, security and
`GET /` are not.
"""

import os
import shutil
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.servers.java import HEAP_MB, HERE, JavaProcess, prepared, program_of
from tests.service import answers_ok, free_port

NAME, VERSION = "elasticsearch_node", "8.19.0"
_MODULE = f"""description=HTTP
version={VERSION}
name=transport-netty4
classname=org.elasticsearch.transport.netty4.Netty4Plugin
java.version=17
elasticsearch.version={VERSION}
has.native.controller=false
"""
_folders: list[TemporaryDirectory[str]] = []


def node(folder: Path) -> tuple[JavaProcess, str]:
    """A node that keeps its data in `folder`, not started, and its address."""
    libraries, home = prepared(NAME), folder / "home"
    for part in ("config", "plugins", "lib"):
        (home / part).mkdir(parents=True, exist_ok=True)
    core, module = folder / "core", home / "modules" / "transport-netty4"
    for jar in (libraries / "jars").iterdir():  # a module and its libraries stand apart, as in a distribution
        place = module if jar.name.startswith(("netty-", "transport-netty4")) else core
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(jar, place)
    (module / "plugin-descriptor.properties").write_text(_MODULE)
    port, transport = free_port(), free_port()
    url = f"http://127.0.0.1:{port}"
    command = [
        "java", f"-Xms{HEAP_MB}m", f"-Xmx{HEAP_MB}m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
        f"-Des.path.home={home}", f"-Dlog4j2.configurationFile=file:{HERE}/log4j2.properties",
        "--module-path", str(core), "--add-modules", "ALL-MODULE-PATH,jdk.net",
        "-cp", str(program_of(NAME)), "ElasticsearchNode", str(home),
        "cluster.name=logkeep-tests", "node.name=one", "network.host=127.0.0.1", f"http.port={port}",
        f"transport.port={transport}", "discovery.type=single-node", "node.processors=2",
        "cluster.routing.allocation.disk.threshold_enabled=false", "cluster.max_shards_per_node=5000",
    ]  # fmt: skip
    return JavaProcess(command, folder / "log", lambda: answers_ok(f"{url}/_cluster/health")), url


@lru_cache(maxsize=1)
def shared_url() -> str:
    """The address of the node that all tests of this run share; it ends with them.

    LOGKEEP_TEST_ELASTICSEARCH_URL names one that runs already: it saves a start when a test is run again.
    """
    if url := os.environ.get("LOGKEEP_TEST_ELASTICSEARCH_URL"):
        return url
    _folders.append(TemporaryDirectory(prefix="logkeep-elasticsearch-", ignore_cleanup_errors=True))
    process, url = node(Path(_folders[-1].name))
    process.start()
    return url


if __name__ == "__main__":  # scripts/install_servers.sh
    prepared(NAME)
