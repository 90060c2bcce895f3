"""How the tests are shared out to processes side by side (pytest-xdist): which of them stay together, and what begins.

The tests of a file stay together, as they share what they have started. So do all tests that talk to one of the large
servers, whichever file they stand in: a server belongs to the process that asked for it first, and of these there is
room for one. What takes longest begins, so that nobody is left with it at the end.

The groups are ours because pytest-xdist 3.8 writes its own (`xdist_group`) into a name that pytest 9.2 does not read.
"""

import re

from xdist.scheduler import LoadScopeScheduling

# A word of a test's parameters → its group.
OF_PARAMETERS = {
    "kafka": "kafka",
    "opensearch": "opensearch",
    "elasticsearch": "elasticsearch",
    "mongodb": "mongodb",
    "mariadb": "databases",
    "postgresql": "databases",
}
# The beginning of a file's name → the group of all its tests; else they are a group of their own.
OF_FILES = {
    "tests/contract/test_store_mongodb": "mongodb",
    "tests/e2e/test_viewer": "viewer",
    "tests/integration/test_kafka_rights": "kafka",
    "tests/integration/test_opensearch.py": "opensearch",
    "tests/integration/test_roles.py": "kafka",
    "tests/integration/test_roles_redis": "databases",
    "tests/integration/test_run_api": "databases",
    "tests/integration/test_secured_servers": "opensearch",
    "tests/integration/test_shared_queues": "kafka",
}
LONGEST_FIRST = (
    "kafka",
    "opensearch",
    "tests/integration/test_bounded_reads.py",
    "elasticsearch",
    "databases",
    "viewer",
    "mongodb",
    "tests/integration/test_kill.py",
    "tests/contract/test_store.py",
    "tests/property/test_store_agrees.py",
    "tests/property/test_query_language.py",
)


class Scheduling(LoadScopeScheduling):
    """Whole groups, in the order of the tests."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def group_of(nodeid: str) -> str:
    file, _, test = nodeid.partition("::")
    for beginning, group in OF_FILES.items():
        if file.startswith(beginning):
            return group
    words = re.findall(r"[a-z]+", test.partition("[")[2])
    return next((OF_PARAMETERS[word] for word in words if word in OF_PARAMETERS), file)


def place_of(nodeid: str) -> int:
    """Of a test's group, in the order in which groups begin."""
    group = group_of(nodeid)
    return LONGEST_FIRST.index(group) if group in LONGEST_FIRST else len(LONGEST_FIRST)
