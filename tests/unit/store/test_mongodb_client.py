"""What of an address reaches MongoDB's client. Nothing connects: no server of the tests has users or secondaries."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.read_preferences import Nearest, Primary, Secondary, SecondaryPreferred
from tests.servers.authority import shared as shared_authority

from logkeep.errors import BackendUnavailable
from logkeep.store.mongodb_client import SOCKET_TIMEOUT_S, client_of, readers_of

HOSTS = "mongodb://logkeep:se%2Fcret@db1.example:27017,db2.example:27018"
Opened = Callable[[str], MongoClient[Any]]


@pytest.fixture
def opened() -> Iterator[Opened]:
    with ExitStack() as stack:
        yield lambda url: stack.enter_context(client_of(url, connect_timeout_s=0.1))


def test_user_source_and_replica_set_are_those_of_the_address(opened: Opened) -> None:
    options = opened(f"{HOSTS}/?replicaSet=logs&authSource=people&authMechanism=SCRAM-SHA-256&retryReads=false").options
    assert options.replica_set_name == "logs"
    assert options.retry_reads is False
    known = options.pool_options._credentials
    assert (known.username, known.password, known.source, known.mechanism) == (
        "logkeep", "se/cret", "people", "SCRAM-SHA-256",
    )  # fmt: skip
    assert opened(f"{HOSTS}/?replicaSet=logs").options.pool_options._credentials.source == "admin"


def test_files_for_tls_are_read_and_certificates_checked(opened: Opened) -> None:
    files = shared_authority().files
    url = f"{HOSTS}/?tls=true&tlsCAFile={files.ca}&tlsCertificateKeyFile={files.bundle}"
    context = opened(url).options.pool_options._ssl_context
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    (authority,) = context.get_ca_certs()
    assert (("commonName", "authority of tests"),) in authority["subject"]
    assert opened(HOSTS).options.pool_options._ssl_context is None


def test_times_are_those_of_the_settings(opened: Opened) -> None:
    options = opened(f"{HOSTS}/?connectTimeoutMS=1&socketTimeoutMS=1&serverSelectionTimeoutMS=1&appname=other").options
    pool = options.pool_options
    assert (pool.connect_timeout, options.server_selection_timeout, pool.socket_timeout) == (0.1, 0.1, SOCKET_TIMEOUT_S)
    assert pool.appname == "logkeep"


@pytest.mark.parametrize(
    ("options", "mode", "expected"),
    [
        ("", "primary", Primary()),
        ("?w=1", "nearest", Nearest()),
        ("?readPreference=primary", "secondaryPreferred", Primary()),
        ("?readPreference=secondaryPreferred", "primary", SecondaryPreferred()),
        (
            "?w=1&READPREFERENCE=secondary&readPreferenceTags=use:reports,dc:ny&readPreferenceTags=&maxStalenessSeconds=120",
            "primary",
            Secondary(tag_sets=[{"use": "reports", "dc": "ny"}, {}], max_staleness=120),
        ),
    ],
)
def test_reports_ask_whom_the_address_names_or_else_the_setting(
    opened: Opened, options: str, mode: Any, expected: Any
) -> None:
    url = f"{HOSTS}/{options}"
    assert readers_of(opened(url), url, mode) == expected


@pytest.mark.parametrize("options", ["?readPreferenceTags=use:reports", "?tls=true&ssl=false"])
def test_an_address_that_cannot_be_used_says_so_without_its_secret(options: str) -> None:
    with pytest.raises(BackendUnavailable, match="the address of MongoDB cannot be used: ") as caught:
        client_of(f"{HOSTS}/{options}", connect_timeout_s=0.1)
    assert "se/cret" not in caught.value.message and "se%2Fcret" not in caught.value.message
