"""Every server behind Logkeep with TLS and passwords, as installations have them: the real ones, each started once.

They want a certificate of ours too. What is wrong – authority, password – is told with what to do, and no secret.
"""

import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.parse import quote

import pytest
from tests.servers import guarded, kafka, mariadb, mongodb, opensearch, postgresql, redis
from tests.servers.authority import Authority
from tests.servers.authority import shared as shared_authority
from tests.servers.databases import PASSWORD, DatabaseServer
from tests.service import Service

from logkeep import settings as settings_module
from logkeep import wiring
from logkeep.cli.check import Finding, all_findings
from logkeep.counters.port import Addition
from logkeep.counters.redis_counters import RedisCounters
from logkeep.errors import BackendUnavailable, InputError

SECRET = "pa_ss-5e77a1d0"
API_KEY = "bG9na2VlcDo1ZTc3YTFkMA=="
WRONG = "wrong-4c1b"
SECRETS = (SECRET, kafka.PASSWORD, PASSWORD, quote(PASSWORD, safe=""), API_KEY)
# What the user of an installation needs, and nothing more: as the documentation says.
REDIS_USERS = f"user default off\nuser logkeep on >{SECRET} ~lk* +@all -@admin -@dangerous +config|get\n"

Variables = dict[str, str]


@pytest.fixture(scope="module")
def authority() -> Authority:
    return shared_authority()


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Nobody trusts it."""
    return Authority(tmp_path_factory.mktemp("authority") / "strange")


class Servers:
    """Those that were asked for, started when they are."""

    def __init__(self, authority: Authority, folder: Path) -> None:
        self.authority, self._folder = authority, folder
        self._stack = ExitStack()
        self._started: dict[str, Variables] = {}

    def __call__(self, name: str) -> Variables:
        """The variables that lead to it; every secret is in a file."""
        if name not in self._started:
            self._started[name] = getattr(self, f"_{name}")()
        return self._started[name]

    def close(self) -> None:
        self._stack.close()

    def secret(self, value: str) -> str:
        file = self._folder / uuid.uuid4().hex
        file.write_text(value + "\n")
        return str(file)

    def _files(self, section: str) -> Variables:
        ours = self.authority.files
        return {
            f"{section}_CA_FILE": ours.ca, f"{section}_CERTIFICATE_FILE": ours.certificate,
            f"{section}_KEY_FILE": ours.key,
        }  # fmt: skip

    def _kafka(self) -> Variables:
        server = kafka.shared()
        return self._files("KAFKA") | {
            "QUEUE_KIND": "kafka", "KAFKA_SERVERS": server.secured, "KAFKA_SECURITY": "sasl_ssl",
            "KAFKA_USER": kafka.USER, "KAFKA_PASSWORD_FILE": self.secret(kafka.PASSWORD),
            "KAFKA_REPLICATION_FACTOR": "1", "KAFKA_MIN_INSYNC_REPLICAS": "1", "KAFKA_PARTITIONS": "2",
            "KAFKA_TOPIC": f"t{uuid.uuid4().hex[:12]}",
        }  # fmt: skip

    def _redis(self) -> Variables:
        server = self._stack.enter_context(redis.running(authority=self.authority, users=REDIS_USERS))
        return self._files("REDIS") | {
            "QUEUE_KIND": "redis", "REDIS_URL": server.url, "REDIS_USER": "logkeep", "REDIS_PREFIX": "lk",
            "REDIS_PASSWORD_FILE": self.secret(SECRET),
        }  # fmt: skip

    def _mariadb(self) -> Variables:
        return self._metastore(self._stack.enter_context(mariadb.running(self.authority)))

    def _postgresql(self) -> Variables:
        return self._metastore(self._stack.enter_context(postgresql.running(self.authority)))

    def _metastore(self, server: DatabaseServer) -> Variables:
        url = self.secret(server.new_database())
        return self._files("METASTORE") | {"METASTORE_TLS": "true", "METASTORE_URL_FILE": url}

    def _opensearch(self) -> Variables:
        by_password, by_key = self._stack.enter_context(
            guarded.running(
                opensearch.shared_url(), self.authority, user="logkeep", password=SECRET, api_key=API_KEY
            )
        )  # fmt: skip
        self._by_key = by_key
        return self._files("OPENSEARCH") | {
            "STORE_KIND": "opensearch", "OPENSEARCH_URLS": by_password, "OPENSEARCH_USER": "logkeep",
            "OPENSEARCH_PASSWORD_FILE": self.secret(SECRET), "OPENSEARCH_REPLICAS": "0",
            "OPENSEARCH_INDEX_PREFIX": f"t{uuid.uuid4().hex[:12]}",
        }  # fmt: skip

    def _opensearch_by_key(self) -> Variables:
        given = dict(self("opensearch"))
        del given["OPENSEARCH_USER"], given["OPENSEARCH_PASSWORD_FILE"]
        return given | {"OPENSEARCH_URLS": self._by_key, "OPENSEARCH_API_KEY_FILE": self.secret(API_KEY)}

    def _mongodb(self) -> Variables:
        """It knows no users and asks nobody for a certificate: TLS is all there is to try."""
        server = self._stack.enter_context(mongodb.running(authority=self.authority))
        ours = self.authority.files
        options = f"tls=true&tlsCAFile={quote(ours.ca)}&tlsCertificateKeyFile={quote(ours.bundle)}"
        return {"STORE_KIND": "mongodb", "MONGODB_URL_FILE": self.secret(f"{server.url}/?{options}")}


@pytest.fixture(scope="module")
def servers(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    found = Servers(authority, tmp_path_factory.mktemp("secrets"))
    with closing(found):
        yield found


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    return {f"LOGKEEP_{name}": value for name, value in variables.items()}


def checked(variables: Mapping[str, str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Finding]:
    """What `logkeep check` finds, by its name. Nothing of it holds a secret."""
    with monkeypatch.context() as patched:
        for name, value in environment(variables).items():
            patched.setenv(name, value)
        found = {finding.what: finding for finding in all_findings(None, folder)}
    told = " ".join(finding.detail for finding in found.values())
    assert [word for word in (*SECRETS, WRONG) if word in told] == [], found
    return found


WHAT = {
    "kafka": "queue", "redis": "queue", "mariadb": "metastore", "postgresql": "metastore", "opensearch": "store",
    "opensearch_by_key": "store", "mongodb": "store",
}  # fmt: skip


@pytest.mark.parametrize("name", WHAT)
def test_check_reaches_it_and_shows_no_secret(
    name: str, servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = checked(servers(name), tmp_path, monkeypatch)
    assert found[WHAT[name]].state != "wrong", found
    section = next(what for what in found if what.endswith(" settings"))
    assert "***" in found[section].detail or name == "mongodb", found[section]


@pytest.mark.parametrize("name", WHAT)
def test_another_authority_is_told_with_where_to_name_it(
    name: str, servers: Servers, stranger: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = dict(servers(name))
    ca = next((variable for variable in given if variable.endswith("_CA_FILE")), "")
    if ca:
        given[ca] = stranger.files.ca
        setting = ca.replace("_", ".", 1).lower()
    else:
        url = Path(given["MONGODB_URL_FILE"]).read_text()
        setting = "tlsCAFile of mongodb.url"
        given["MONGODB_CONNECT_TIMEOUT_S"] = "1"
        given["MONGODB_URL_FILE"] = servers.secret(
            url.strip().replace(quote(servers.authority.files.ca), quote(stranger.files.ca))
        )
    finding = checked(given, tmp_path, monkeypatch)[WHAT[name]]
    assert (finding.state, f"name the authority that signed its certificate in {setting}" in finding.detail) == (
        "wrong", True,
    ), finding  # fmt: skip


@pytest.mark.parametrize("name", [name for name in WHAT if name != "mongodb"])
def test_a_wrong_secret_is_told_with_where_it_stands(
    name: str, servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = dict(servers(name))
    variable = next(each for each in given if each.endswith(("_PASSWORD_FILE", "_API_KEY_FILE", "_URL_FILE")))
    right = Path(given[variable]).read_text().strip()
    wrong = right.replace(quote(PASSWORD, safe=""), WRONG) if variable.endswith("_URL_FILE") else WRONG
    given[variable] = servers.secret(wrong)
    finding = checked(given, tmp_path, monkeypatch)[WHAT[name]]
    setting = variable.removesuffix("_FILE").replace("_", ".", 1).lower()
    assert (finding.state, "lets us not in" in finding.detail, setting in finding.detail) == (
        "wrong", True, True,
    ), finding  # fmt: skip


# Of the others some close the connection without a word, and MariaDB says "access denied".
@pytest.mark.parametrize("name", ["kafka", "postgresql", "opensearch"])
def test_a_server_that_asks_for_our_certificate_is_told_of(
    name: str, servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = ("_CERTIFICATE_FILE", "_KEY_FILE")
    given = {variable: value for variable, value in servers(name).items() if not variable.endswith(ours)}
    finding = checked(given, tmp_path, monkeypatch)[WHAT[name]]
    assert (finding.state, ".certificate_file and " in finding.detail) == ("wrong", True), finding


def test_kafka_takes_plain_passwords_over_tls_too(servers: Servers) -> None:
    given = settings_module.load(environment=environment(servers("kafka") | {"KAFKA_SASL_MECHANISM": "PLAIN"}))
    with closing(wiring.open_queue(given)) as queue:
        queue.check()


def test_counters_use_the_secured_redis_of_the_queue(servers: Servers) -> None:
    given = settings_module.load(environment=environment(servers("redis") | {"COUNTERS_KIND": "redis"}))
    with closing(RedisCounters(given.counters, given.redis)) as counters:
        assert counters.add([Addition("k", 3, 60.0)]) == [3]


def test_files_that_cannot_be_used_are_named_before_anything_connects(servers: Servers, tmp_path: Path) -> None:
    for changed, told in (
        ({"REDIS_CA_FILE": "/nowhere.pem"}, "redis.ca_file /nowhere.pem cannot be used: No such file"),
        ({"REDIS_CA_FILE": __file__}, f"redis.ca_file {__file__} cannot be used"),
        ({"REDIS_KEY_FILE": ""}, "redis.certificate_file and redis.key_file: set both or neither"),
        ({"REDIS_URL": "redis://127.0.0.1:1/0"}, "redis names files for TLS, and none is spoken: begin the address"),
        ({"REDIS_PASSWORD_FILE": "/nowhere"}, "LOGKEEP_REDIS_PASSWORD_FILE=/nowhere: cannot read the secret"),
        ({"REDIS_PASSWORD": "x"}, "both LOGKEEP_REDIS_PASSWORD and LOGKEEP_REDIS_PASSWORD_FILE are set"),
    ):
        with pytest.raises(InputError, match="^" + told.replace(".", r"\.")):
            wiring.open_queue(settings_module.load(environment=environment(servers("redis") | changed)))


def test_a_service_works_on_secured_servers_and_its_log_tells_no_secret(servers: Servers, tmp_path: Path) -> None:
    given = servers("kafka") | servers("postgresql") | servers("opensearch")
    counting = {name: value for name, value in servers("redis").items() if name != "QUEUE_KIND"}
    service = Service.start(
        tmp_path / "data", settings=environment(given | counting | {"COUNTERS_KIND": "redis", "LOG_LEVEL": "debug"})
    )
    try:
        service.post([{"session": "s", "key": "k", "value": number} for number in range(100)]).raise_for_status()
        assert len(service.wait_for_events("session=s", 100)) == 100
        ledger = service.get("/api/v1/ledger").json()
        assert (ledger["received"], ledger["stored"]) == (100, 100)
    finally:
        service.kill_all()
    log = service.log.read_text()
    assert [word for word in SECRETS if word in log] == []


def test_a_server_that_is_away_is_no_matter_of_certificates(servers: Servers) -> None:
    given = settings_module.load(environment=environment(servers("redis") | {"REDIS_URL": "rediss://127.0.0.1:1/0"}))
    with closing(wiring.open_queue(given)) as queue, pytest.raises(BackendUnavailable) as told:
        queue.check()
    assert "certificate" not in told.value.message
