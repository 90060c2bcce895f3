"""A real Galera cluster of three MariaDB nodes on loopback."""

import contextlib
import itertools
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.programs import require_file, require_program
from tests.servers.databases import PASSWORD, USER, run
from tests.servers.mariadb import query
from tests.servers.process import ServerProcess, folder_of, unprivileged
from tests.service import free_port

NODES = 3
PROVIDERS = ("/usr/lib/galera/libgalera_smm.so", "/usr/lib64/galera-4/libgalera_smm.so", "/usr/lib/libgalera_smm.so")
# One that has gone is given up after two seconds, not after five; one second is too little on busy cores.
_QUICK = "evs.suspect_timeout=PT2S;evs.inactive_timeout=PT4S;evs.keepalive_period=PT0.5S"


class Cluster:
    """`nodes`: their processes."""

    def __init__(self, nodes: Sequence[ServerProcess], ports: Sequence[int]) -> None:
        self.nodes, self._ports = nodes, ports
        self._numbers = itertools.count(1)

    def new_database(self) -> str:
        """The name of an empty database, on all nodes."""
        name = f"lk{next(self._numbers)}"
        query(self._ports[0], f"CREATE DATABASE {name}")
        query(self._ports[0], f"GRANT ALL ON {name}.* TO {USER}@'127.0.0.1'")
        return name

    def url(self, name: str, *nodes: int) -> str:
        """Of that database, by these nodes in order; all of them where none is named."""
        hosts = ",".join(f"127.0.0.1:{self._ports[node]}" for node in nodes or range(NODES))
        return f"mariadb://{USER}:{PASSWORD.replace('/', '%2F').replace('@', '%40')}@{hosts}/{name}"

    def tables_without_a_primary_key(self, name: str) -> list[str]:
        """Galera cannot delete rows of such a table."""
        tables = query(self._ports[0], f"SHOW FULL TABLES IN {name} WHERE table_type = 'BASE TABLE'")
        names = [str(row[0]) for row in tables]
        return [
            one for one in names if not query(self._ports[0], f"SHOW KEYS IN {name}.{one} WHERE key_name = 'PRIMARY'")
        ]

    def size(self, node: int) -> int:
        """How many nodes this one sees, itself among them."""
        return int(_status(self._ports[node], "wsrep_cluster_size"))

    def has_quorum(self, node: int) -> bool:
        return _status(self._ports[node], "wsrep_cluster_status") == "Primary"

    def go_on_alone(self, node: int) -> None:
        """As an operator tells the one that is left."""
        query(self._ports[node], "SET GLOBAL wsrep_provider_options = 'pc.bootstrap=1'")


@contextmanager
def running() -> Iterator[Cluster]:
    program, install = require_program("mariadbd"), require_program("mariadb-install-db")
    provider, user = require_file(*PROVIDERS), unprivileged("mysql")
    ports = [free_port() for _ in range(NODES)]
    groups = [free_port() for _ in range(NODES)]
    with folder_of("galera", user=user) as folder, ExitStack() as stack:
        made = ["--skip-test-db", "--auth-root-authentication-method=normal", *([f"--user={user}"] if user else [])]
        run([install, "--no-defaults", f"--datadir={folder}/0", "--innodb-log-file-size=16M", *made])
        for number in range(1, NODES):
            _copy(folder / "0", folder / str(number), user)
        nodes = []
        for number, port in enumerate(ports):
            command = [program, *_options(folder, number, port, groups, provider)]
            if number == 0:
                command.append("--wsrep-new-cluster")
            node = ServerProcess(
                command, folder / f"galera-{number}.log", ready=lambda said, port=port: _is_synced(port),  # type: ignore[misc]
                user=user,
            )  # fmt: skip
            nodes.append(node)
            stack.callback(node.kill)
            with _usual_scheduling():
                node.start()  # one after the other: each is sent what the first has
        query(ports[0], f"CREATE USER {USER}@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'")
        yield Cluster(nodes, ports)


@contextmanager
def _usual_scheduling() -> Iterator[None]:
    """Galera gives its threads the usual policy, which it may not where these tests run under another (`chrt -i 0`)."""
    policy = os.sched_getscheduler(0)
    if policy == os.SCHED_OTHER:
        yield
        return
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, os.sched_param(0))


def _options(folder: Path, number: int, port: int, groups: Sequence[int], provider: str) -> list[str]:
    members = ",".join(f"127.0.0.1:{group}" for group in groups)
    listen, received = groups[number], free_port()
    return [
        "--no-defaults", f"--datadir={folder}/{number}", f"--socket={folder}/s{number}",
        f"--pid-file={folder}/pid{number}", "--bind-address=127.0.0.1", f"--port={port}", "--skip-name-resolve",
        "--performance-schema=OFF", "--innodb-buffer-pool-size=32M", "--innodb-log-file-size=16M",
        "--innodb-flush-log-at-trx-commit=2", "--binlog-format=ROW", "--innodb-autoinc-lock-mode=2", "--wsrep-on=ON",
        f"--wsrep-provider={provider}", "--wsrep-cluster-name=lk", f"--wsrep-cluster-address=gcomm://{members}",
        f"--wsrep-node-address=127.0.0.1:{listen}", f"--wsrep-node-incoming-address=127.0.0.1:{port}",
        "--wsrep-sst-method=rsync", f"--wsrep-sst-receive-address=127.0.0.1:{free_port()}",
        f"--wsrep-provider-options=base_host=127.0.0.1;base_port={listen};gmcast.listen_addr=tcp://127.0.0.1:{listen};"
        f"ist.recv_addr=127.0.0.1:{received};ist.recv_bind=127.0.0.1:{received};gcache.size=16M;pc.recovery=off;{_QUICK}",
    ]  # fmt: skip


def _copy(folder: Path, to: Path, user: str | None) -> None:
    shutil.copytree(folder, to)
    for path in [to, *to.rglob("*")] if user is not None else []:
        shutil.chown(path, user)


def _is_synced(port: int) -> bool:
    import pymysql

    try:
        return _status(port, "wsrep_local_state_comment") == "Synced"
    except pymysql.MySQLError:
        return False


def _status(port: int, name: str) -> str:
    return str(query(port, f"SHOW STATUS LIKE '{name}'")[0][1])
