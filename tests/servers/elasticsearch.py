"""A real Elasticsearch node on loopback.

It is the core of the server with its HTTP module: no other module of a distribution is published as a library. Bulk
requests, searches, aggregations, points in time and templates are in the core; scripts, reindexing, security and
`GET /` are not.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers import process
from tests.servers.java import fetched, java
from tests.servers.opensearch import HEAP, node_process, node_settings
from tests.servers.process import ServerProcess, folder_of
from tests.service import free_port

VERSION = "8.19.0"
PROGRAM = "ElasticsearchNode"
LIBRARY = ("elasticsearch", PROGRAM)
MODULE = f"""description=HTTP
version={VERSION}
name=transport-netty4
classname=org.elasticsearch.transport.netty4.Netty4Plugin
java.version=17
elasticsearch.version={VERSION}
has.native.controller=false
"""


@contextmanager
def running(folder: Path | None = None) -> Iterator[ServerProcess]:
    libraries, port = fetched(*LIBRARY), free_port()
    with folder_of("elasticsearch", folder) as place:
        core = _laid_out(place / "home", sorted((libraries / "jars").iterdir()))
        command = [
            *java(HEAP), f"-Des.path.home={place}/home", "--module-path", ":".join(map(str, core)),
            "--add-modules", "ALL-MODULE-PATH,jdk.net", "-cp", f"{libraries}/classes", PROGRAM,
            f"{place}/home", *node_settings(port),
        ]  # fmt: skip
        with node_process(command, place / "elasticsearch.log", port) as server:
            yield server


def _laid_out(home: Path, jars: list[Path]) -> list[Path]:
    """The jars of the core; those of the HTTP module stand apart in `home`, as in a distribution."""
    module = home / "modules" / "transport-netty4"
    for part in (home / "config", home / "plugins", home / "lib", module):
        part.mkdir(parents=True, exist_ok=True)
    (module / "plugin-descriptor.properties").write_text(MODULE)
    of_module = [jar for jar in jars if jar.name.startswith(("netty-", "transport-netty4"))]
    for jar in of_module:
        shutil.copy(jar, module)
    return [jar for jar in jars if jar not in of_module]


shared = process.shared(running)


def shared_url() -> str:
    """The address of the shared one, or of the one that LOGKEEP_TEST_ELASTICSEARCH_URL names, which is left running."""
    return os.environ.get("LOGKEEP_TEST_ELASTICSEARCH_URL") or shared().url
