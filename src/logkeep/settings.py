"""Every setting: one table of sections, each field with its default, unit and reason.

A value comes from, strongest first: a command-line flag, an environment variable `LOGKEEP_SECTION_NAME`
(`LOGKEEP_NAME` for the top ones; of a secret also `LOGKEEP_SECTION_NAME_FILE`), the TOML file, the default here.
docs/reference/settings.md is generated from this file by `logkeep settings --markdown`, and a test fails when it is
behind.
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from logkeep.errors import InputError

MIB = 1 << 20
GIB = 1 << 30
SECRET_FILE = "_FILE"  # what a variable ends with that names the file of a secret instead of holding it


def _doc(text: str, *, ge: float | None = None, le: float | None = None) -> Meta:
    return Meta(description=text, ge=ge, le=le)


def _secret(text: str) -> Meta:
    """Of a setting that no log line, page or check may show."""
    return Meta(description=text, extra={"secret": True})


Password = Annotated[str, _secret("password of that user")]
CaFile = Annotated[str, _doc("PEM file of the authority that signed the server's certificate; \"\": the system's")]
CertificateFile = Annotated[str, _doc("PEM file of the certificate shown to a server that asks for one")]
KeyFile = Annotated[str, _doc("PEM file of the private key of certificate_file, without a passphrase")]


def _cores() -> int:
    return os.cpu_count() or 1


class Intake(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Receivers: what they listen on and what they let in."""

    host: Annotated[str, _doc("address to listen on; loopback until you open it on purpose")] = "127.0.0.1"
    port: Annotated[int, _doc("TCP port of HTTP and UDP port of datagrams", ge=0, le=65535)] = 7300
    processes: Annotated[
        int,
        _doc("HTTP receiver processes on the one port; one fills a core at 50,000 single events a second", ge=1, le=64),
    ] = max(1, _cores() // 2)
    udp: Annotated[bool, _doc("also take datagrams on the same port number")] = True
    udp_buffer_bytes: Annotated[
        int,
        _doc("bytes the kernel may hold for the UDP receiver; 64 MiB is 0.5 s at 350,000 datagrams a second", ge=4096),
    ] = 64 * MIB
    udp_default_app: Annotated[str, _doc('app of datagrams that name no key; "" refuses them')] = ""
    trusted_proxies: Annotated[
        str,
        _doc(
            "addresses and networks, with commas in between, whose X-Forwarded-For is believed, by receivers and API; "
            "name those of nginx, and nothing wider"
        ),
    ] = "127.0.0.1,::1"
    body_bytes_max: Annotated[int, _doc("bytes of a body as sent (compressed); over it 413", ge=1024)] = 10 * MIB
    inflated_bytes_max: Annotated[int, _doc("bytes of a request body once inflated; over it 413", ge=1024)] = 64 * MIB
    event_bytes_max: Annotated[int, _doc("bytes of one event; over it that event is rejected", ge=1024)] = 256 * 1024
    events_max: Annotated[int, _doc("events in one request; over it 413", ge=1, le=65536)] = 10_000
    connections_max: Annotated[int, _doc("connections of a process; more are closed at once", ge=1)] = 10_000
    header_bytes_max: Annotated[int, _doc("bytes of a request's line and headers; over it 431", ge=1024)] = 32 * 1024
    request_timeout_s: Annotated[
        float, _doc("seconds from a request's first byte to its last; slow senders are cut off with 408", ge=0.1)
    ] = 30.0
    idle_timeout_s: Annotated[float, _doc("seconds a kept-alive connection may be silent", ge=1)] = 75.0
    pending_bytes_max: Annotated[
        int, _doc("bytes a process holds for requests not yet durable; over it 503, so memory stays bounded", ge=MIB)
    ] = 256 * MIB


class Api(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Reading: API and pages."""

    host: Annotated[str, _doc("address to listen on; loopback until you open it on purpose")] = "127.0.0.1"
    port: Annotated[int, _doc("TCP port of the API and the pages", ge=0, le=65535)] = 7301
    public_url: Annotated[
        str,
        _doc(
            'where people open it, such as https://logs.example.org: what links in mails begin with; "": host and port '
            "from above. Never taken from a request, whose sender could name another server"
        ),
    ] = ""
    query_timeout_s: Annotated[float, _doc("seconds one query may take, waiting for its turn not counted", ge=0.1)] = (
        30.0
    )
    query_memory_bytes_max: Annotated[int, _doc("bytes of memory one query may use", ge=16 * MIB)] = GIB
    query_rows_max: Annotated[int, _doc("rows of the store one query may read", ge=1)] = 1_000_000_000
    query_bytes_max: Annotated[int, _doc("bytes one query may read from the store, as they are in memory", ge=MIB)] = (
        200 * GIB
    )
    readers: Annotated[int, _doc("queries that run at once; others wait their turn", ge=1, le=64)] = 4
    session_events_max: Annotated[
        int, _doc("events a session page shows at most; it says so when there are more", ge=1)
    ] = 10_000
    query_chars_max: Annotated[int, _doc("characters of a query's text", ge=16)] = 4096
    exports: Annotated[int, _doc("exports that run at once; one more is a 503 with Retry-After", ge=1, le=64)] = 2
    stalled_s: Annotated[
        float, _doc("seconds a reader of an export or a tail may take nothing before its connection is closed", ge=1)
    ] = 60.0


class TailSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Live tails: readers that are told of events as they are stored."""

    readers_max: Annotated[int, _doc("open tails in all; one more is a 503 with Retry-After", ge=1, le=900)] = 500
    app_readers_max: Annotated[int, _doc("open tails of one app; one more is a 429 with Retry-After", ge=1)] = 250
    queries_max: Annotated[int, _doc("different queries of open tails in all; one more is answered 503", ge=1)] = 200
    cpu_share: Annotated[
        float,
        _doc("part of a core for matching and encoding; events beyond it are told of as `dropped`", ge=0.01, le=1.0),
    ] = 0.25
    reader_bytes_max: Annotated[
        int, _doc("bytes that wait for one reader; what comes on top is told of as `dropped`", ge=65536)
    ] = 2 * MIB
    reader_events_max: Annotated[int, _doc("events that wait for one reader", ge=10)] = 5_000
    bytes_max: Annotated[int, _doc("bytes that wait for all readers; what several wait for counts once", ge=MIB)] = (
        64 * MIB
    )
    replay_events_max: Annotated[
        int, _doc("events sent again to a reader that comes back; older ones are told of as `dropped`", ge=0)
    ] = 10_000
    keep_alive_s: Annotated[
        float, _doc("seconds of silence after which a comment keeps the connection open", ge=0.1)
    ] = 15.0


class QueueSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The queue; what says "segment" or "disk" is of the local one alone."""

    kind: Annotated[
        Literal["local", "kafka", "redis"],
        _doc("local: files of this machine; kafka, redis: servers that any number of receivers and processors share"),
    ] = "local"
    bytes_max: Annotated[
        int,
        _doc("bytes of events waiting to be processed, on disk; over it intake answers 503 with Retry-After", ge=MIB),
    ] = 20 * GIB
    free_bytes_min: Annotated[int, _doc("bytes the disk must keep free; under it intake answers 503", ge=0)] = 512 * MIB
    segment_bytes_max: Annotated[int, _doc("bytes of one segment file; trimming removes whole ones", ge=65536)] = (
        128 * MIB
    )
    segment_s: Annotated[float, _doc("seconds until a segment with processed events is closed and goes", ge=1)] = 60.0
    record_bytes_max: Annotated[int, _doc("bytes of one record; above inflated_bytes_max and its header", ge=1024)] = (
        80 * MIB
    )
    keep_bytes: Annotated[int, _doc("bytes of processed segments kept a partition, for looking back", ge=0)] = 0
    keep_s: Annotated[float, _doc("seconds a processed segment is kept at most, when keep_bytes allows", ge=0)] = 3600.0


class KafkaSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The queue on Apache Kafka (queue.kind = "kafka")."""

    servers: Annotated[str, _doc("some brokers, HOST:PORT with commas in between")] = "127.0.0.1:9092"
    topic: Annotated[str, _doc("topic of events; marks are kept in TOPIC-marks, groups are named TOPIC-…")] = "logkeep"
    partitions: Annotated[
        int, _doc("partitions of a topic that is made: so many processors can share the work", ge=1, le=1000)
    ] = 12
    replication_factor: Annotated[
        int, _doc("copies of each partition of a topic that is made; 1 on a single broker", ge=1, le=15)
    ] = 3
    min_insync_replicas: Annotated[
        int, _doc("copies that have an event before it is acknowledged; 1 on a single broker", ge=1, le=15)
    ] = 2
    compression: Annotated[Literal["none", "lz4", "zstd"], _doc("of what is sent to the brokers and kept there")] = (
        "lz4"
    )
    delivery_timeout_s: Annotated[
        float, _doc("seconds to wait for the brokers; then intake answers 503 and the sender tries again", ge=1)
    ] = 10.0
    buffer_bytes_max: Annotated[
        int, _doc("bytes a process holds for the brokers at most; above queue.record_bytes_max", ge=MIB)
    ] = 128 * MIB
    session_timeout_s: Annotated[
        float, _doc("seconds after which a processor that is silent loses its partitions to others", ge=1)
    ] = 10.0
    instance: Annotated[
        str,
        _doc('lasting name of this processor: after a restart it goes on at once; "": it is a new one each time'),
    ] = ""
    security: Annotated[
        Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"], _doc("how brokers are spoken to")
    ] = "plaintext"
    sasl_mechanism: Annotated[
        Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"], _doc("how user and password are proved")
    ] = "SCRAM-SHA-512"
    user: Annotated[str, _doc("user for SASL")] = ""
    password: Password = ""
    ca_file: CaFile = ""
    certificate_file: CertificateFile = ""
    key_file: KeyFile = ""


class RedisSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The queue on Redis Streams (queue.kind = "redis"): one server; not Redis Cluster."""

    url: Annotated[str, _secret("redis://HOST:PORT/DB, or rediss:// for TLS")] = "redis://127.0.0.1:6379/0"
    user: Annotated[str, _doc("user of Redis' access lists")] = ""
    password: Password = ""
    ca_file: CaFile = ""
    certificate_file: CertificateFile = ""
    key_file: KeyFile = ""
    prefix: Annotated[str, _doc("all keys begin with it; two installations on one server need two")] = "logkeep"
    partitions: Annotated[
        int, _doc("streams; so many processors can share the work; it can grow, not shrink", ge=1, le=1000)
    ] = 6
    lease_s: Annotated[
        float, _doc("seconds after which a processor that is silent loses its partitions to others", ge=0.5)
    ] = 5.0
    instance: Annotated[
        str,
        _doc('lasting name of this processor: after a restart it goes on at once; "": it is a new one each time'),
    ] = ""
    timeout_s: Annotated[
        float, _doc("seconds to wait for the server; then intake answers 503 and the sender tries again", ge=0.5)
    ] = 10.0
    weak_durability: Annotated[
        bool,
        _doc("start although Redis may lose what it acknowledged: appendonly off, appendfsync not always, or eviction"),
    ] = False


class CounterSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What receivers count together for limits and quotas."""

    kind: Annotated[
        Literal["local", "redis"],
        _doc("local: a file of the data folder, for the receivers of one machine; redis: for those of all machines"),
    ] = "local"
    url: Annotated[
        str, _secret('redis://USER:PASSWORD@HOST:PORT/DB; "": the server of [redis], whose TLS files count in any case')
    ] = ""
    timeout_s: Annotated[
        float, _doc("seconds to wait for the server; while it is away each receiver counts by itself", ge=0.05)
    ] = 1.0
    exchange_s: Annotated[
        float, _doc("seconds until what another receiver let in counts here; a limit may be passed for so long", ge=0.1)
    ] = 0.5


class LimitSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much may come in: of each app that has no limits of its own (`/api/v1/apps/{app}/limits`). 0: no limit."""

    events_per_day: Annotated[int, _doc("events a day of one app, on average over 24 hours", ge=0)] = 0
    bytes_per_day: Annotated[int, _doc("bytes of events a day of one app, inflated", ge=0)] = 0
    grace_s: Annotated[
        float,
        _doc("seconds over a day's limit in which an app is slowed to twice the limit, and nothing left out", ge=0),
    ] = 86_400.0
    error_share: Annotated[
        float, _doc("part of a limit that errors and fatal ones have on top of it, for themselves", ge=0.0, le=1.0)
    ] = 0.1
    events_per_second: Annotated[float, _doc("events a second of one app", ge=0)] = 0.0
    key_events_per_second: Annotated[float, _doc("events a second of one key", ge=0)] = 0.0
    component_events_per_second: Annotated[float, _doc("events a second of one component of an app", ge=0)] = 0.0
    address_events_per_second: Annotated[
        float,
        _doc("events a second of one address to one app; behind a proxy set intake.trusted_proxies first", ge=0),
    ] = 0.0
    total_events_per_second: Annotated[
        float, _doc("events a second of all apps together, which share them fairly", ge=0)
    ] = 0.0
    devices_per_app: Annotated[
        int,
        _doc(
            "devices of an app whose description is kept, some 1 kB each; of more, those that told nothing for longest "
            "are forgotten",
            ge=0,
        ),
    ] = 1_000_000
    burst_s: Annotated[float, _doc("seconds' worth of a limit a second that may come at once", ge=1)] = 10.0
    block_refusals: Annotated[
        int, _doc("refusals of an address within 10 s after which its HTTP requests are not looked at; 0: never", ge=0)
    ] = 100
    block_s: Annotated[
        float, _doc("seconds of the first such block; doubled with each that follows soon, to 16 times", ge=1, le=600)
    ] = 30.0


class ProcessorSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From the queue to the store."""

    host: Annotated[str, _doc("address of health and metrics of `logkeep run processor`")] = "127.0.0.1"
    port: Annotated[int, _doc("TCP port of health and metrics of `logkeep run processor`", ge=0, le=65535)] = 7302
    batch_events_max: Annotated[int, _doc("events written to the store as one", ge=1, le=500_000)] = 100_000
    batch_bytes_max: Annotated[int, _doc("bytes of queue records read for one write; bounds memory", ge=65536)] = (
        48 * MIB
    )
    linger_s: Annotated[
        float,
        _doc("seconds to gather more before a small write; what is acknowledged is found about this much later", ge=0),
    ] = 0.25
    patterns_max: Annotated[
        int, _doc("message patterns of one app known at a time, some 5 kB each; 0 finds none", ge=0, le=100_000)
    ] = 2_000
    future_s: Annotated[float, _doc("seconds a sender's clock may be ahead before its time is corrected", ge=0)] = 600.0


class StoreSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where events are kept. The embedded engine's memory and threads."""

    kind: Annotated[
        Literal["embedded", "opensearch", "elasticsearch", "mongodb"],
        _doc("embedded: in the data folder, for one machine; the others: shared by several, see their sections"),
    ] = "embedded"
    retention_days: Annotated[
        int, _doc("days kept, today among them, of apps that have none of their own", ge=1, le=3650)
    ] = 15
    memory_bytes_max: Annotated[int, _doc("bytes of memory the engine may use in all", ge=128 * MIB)] = 1536 * MIB
    mark_cache_bytes: Annotated[int, _doc("bytes of memory for the engine's index marks", ge=MIB)] = 64 * MIB
    merge_threads: Annotated[int, _doc("threads that merge parts in the background", ge=1, le=64)] = 2


class MetastoreSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Apps, keys, people, sign-ins, erasures, and samples of what was rejected."""

    url: Annotated[
        str,
        _secret(
            '"": SQLite, `metastore.db` in the data folder; else `mariadb://…` or `postgresql://…`, which instances on '
            "several machines share, with `HOST,HOST,HOST` for the nodes of a cluster"
        ),
    ] = ""
    tls: Annotated[
        bool, _doc("speak nothing but TLS to the database, and only to one whose certificate and name are in order")
    ] = False
    ca_file: CaFile = ""
    certificate_file: CertificateFile = ""
    key_file: KeyFile = ""
    refresh_s: Annotated[
        float, _doc("seconds until a change made by another instance counts here, such as a key revoked", ge=0.1)
    ] = 2.0
    keys_valid_s: Annotated[
        float, _doc("seconds for which keys and sign-ins known before go on while the metastore does not answer", ge=0)
    ] = 86_400.0
    timeout_s: Annotated[
        float, _doc("seconds a statement, a lock or a connection to the metastore is waited for", ge=1)
    ] = 5.0


class AccountSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """People and what they did."""

    audit_days: Annotated[
        int, _doc("days the audit log is kept; who searched, exported, erased or changed what", ge=1, le=3650)
    ] = 400


class MailSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Invitations and links for new passwords."""

    kind: Annotated[
        Literal["files", "smtp"],
        _doc("files: as .eml in the folder mail of the data folder, for you to pass on; smtp: by a mail server"),
    ] = "files"
    sender: Annotated[str, _doc("address they come from: logs@example.org, or Logkeep <logs@example.org>")] = (
        "Logkeep <logkeep@localhost>"
    )
    host: Annotated[str, _doc("name or address of the mail server")] = "127.0.0.1"
    port: Annotated[int, _doc("TCP port of the mail server: 587 with starttls, 465 with tls", ge=1, le=65535)] = 587
    security: Annotated[
        Literal["starttls", "tls", "none"], _doc("how it is spoken to; none only within a network you trust")
    ] = "starttls"
    user: Annotated[str, _doc('user at the mail server; "": it asks for none')] = ""
    password: Password = ""
    ca_file: CaFile = ""
    timeout_s: Annotated[float, _doc("seconds to wait for the mail server; then it is tried again", ge=1)] = 10.0


class OidcSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Signing in with an OpenID Connect provider, such as Keycloak, Entra ID, Google, GitLab."""

    issuer: Annotated[str, _doc('its address, such as https://accounts.google.com; "": nobody signs in this way')] = ""
    client_id: Annotated[str, _doc("what the provider calls this installation")] = ""
    client_secret: Annotated[str, _secret("the secret it gave for that")] = ""
    name: Annotated[str, _doc("what stands on the button of the sign-in page")] = "single sign-on"
    domains: Annotated[
        str, _doc('mail domains that may sign in, with commas in between; "": those of people who are known here alone')
    ] = ""
    claim: Annotated[str, _doc('what the provider must say of a person besides, such as groups=logs; "": nothing')] = ""
    team: Annotated[str, _doc('team that new people of these domains join; "": none, they must be invited')] = ""
    role: Annotated[Literal["admin", "member", "read_only"], _doc("role that new people have in that team")] = (
        "read_only"
    )
    timeout_s: Annotated[float, _doc("seconds to wait for the provider", ge=1)] = 10.0


class SessionMapSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Events that name a user or device and no session: how they get one."""

    wait_s: Annotated[float, _doc("seconds such an event waits for its session to be told", ge=0, le=86_400)] = 600.0
    idle_s: Annotated[
        float,
        _doc(
            "seconds after a session was last heard of that it is taken to go on; then a newer one is waited for", ge=0
        ),
    ] = 300.0
    settle_s: Annotated[
        float,
        _doc(
            "seconds an event waits for a newer session to be told although one seems to go on: for users and devices "
            "that begin a new session within idle_s, where sessions are told late or processors are many",
            ge=0,
        ),
    ] = 0.0
    valid_s: Annotated[
        float, _doc("seconds after its last sign of life that a session is still given when no other comes", ge=0)
    ] = 86_400.0
    keep_s: Annotated[
        float, _doc("seconds the map remembers who was in which session; above valid_s and wait_s", ge=60)
    ] = 172_800.0
    waiting_events_max: Annotated[
        int, _doc("events that wait at once; one more is rejected as `missing_session`", ge=0, le=10_000_000)
    ] = 100_000
    waiting_bytes_max: Annotated[int, _doc("bytes of events that wait at once", ge=0)] = 64 * MIB
    rows_a_second_max: Annotated[
        int,
        _doc(
            "rows a second that one processor writes for sessions it sees in events; more wait for a calmer moment, "
            "some 10 µs each",
            ge=1,
        ),
    ] = 1_000


class OpenSearchSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An OpenSearch or Elasticsearch that keeps the events, where store.kind says so."""

    urls: Annotated[str, _doc("addresses of some nodes, with commas in between; https:// for TLS")] = (
        "http://127.0.0.1:9200"
    )
    user: Annotated[str, _doc("user, where the cluster asks for one")] = ""
    password: Password = ""
    api_key: Annotated[str, _secret("API key instead of user and password, as the engine encodes it")] = ""
    ca_file: CaFile = ""
    certificate_file: CertificateFile = ""
    key_file: KeyFile = ""
    index_prefix: Annotated[
        str, _doc("what the names of its indexes begin with; one more a day, such as logkeep-events-2026.08.01")
    ] = "logkeep"
    shards: Annotated[
        int, _doc("shards of a day's index; more share the writing of a busy day among nodes", ge=1, le=256)
    ] = 1
    replicas: Annotated[
        int,
        _doc("copies of each shard beside the first; 0 on a single node, where there is no place for one", ge=0, le=9),
    ] = 1
    preference: Annotated[
        str, _doc('which copies answer reads, in the engine\'s words, such as _only_nodes:zone:b; "": all in turn')
    ] = ""
    bulk_requests: Annotated[
        int, _doc("requests of 2,000 events a processor has on their way at once", ge=1, le=32)
    ] = 2


class MongoSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A MongoDB that keeps the events, where store.kind says so."""

    url: Annotated[
        str,
        _secret("its address, with user, password and options (replicaSet, tls, tlsCAFile, tlsCertificateKeyFile, …)"),
    ] = "mongodb://127.0.0.1:27017"
    database: Annotated[
        str, _doc("what the names of its databases begin with; one more a day, such as logkeep_2026_08_01")
    ] = "logkeep"
    read_preference: Annotated[
        Literal["primary", "primaryPreferred", "secondary", "secondaryPreferred", "nearest"],
        _doc("whom reports ask, unless url says it; secondaries do not slow writing, but are behind by replication"),
    ] = "primary"
    connect_timeout_s: Annotated[float, _doc("seconds to wait for a server that answers", ge=0.1)] = 5.0


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of it."""

    data: Annotated[str, _doc("folder of everything Logkeep keeps")] = "./data"
    log_level: Annotated[str, _doc("own log lines from this level on: debug, info, warning, error")] = "info"
    intake: Intake = Intake()
    api: Api = Api()
    tail: TailSettings = TailSettings()
    queue: QueueSettings = QueueSettings()
    kafka: KafkaSettings = KafkaSettings()
    redis: RedisSettings = RedisSettings()
    counters: CounterSettings = CounterSettings()
    limits: LimitSettings = LimitSettings()
    processor: ProcessorSettings = ProcessorSettings()
    store: StoreSettings = StoreSettings()
    metastore: MetastoreSettings = MetastoreSettings()
    accounts: AccountSettings = AccountSettings()
    mail: MailSettings = MailSettings()
    oidc: OidcSettings = OidcSettings()
    session_map: SessionMapSettings = SessionMapSettings()
    opensearch: OpenSearchSettings = OpenSearchSettings()
    mongodb: MongoSettings = MongoSettings()

    @property
    def folder(self) -> Path:
        return Path(self.data).absolute()

    @property
    def public_url(self) -> str:
        """Where people open API and pages, without a slash at the end."""
        if self.api.public_url:
            return self.api.public_url.rstrip("/")
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.api.host, self.api.host)
        return f"http://[{host}]:{self.api.port}" if ":" in host else f"http://{host}:{self.api.port}"


class SettingRow(msgspec.Struct, frozen=True):
    """One setting for tables: `name` as in TOML (`intake.port`), `variable` as in the environment."""

    name: str
    variable: str
    default: Any
    description: str
    type: Any
    secret: bool = False


def rows() -> list[SettingRow]:
    """Every setting, in the order of this file."""
    return list(_rows(Settings, ""))


def _rows(struct: type[msgspec.Struct], prefix: str) -> list[SettingRow]:
    found: list[SettingRow] = []
    for field in msgspec.structs.fields(struct):
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            found += _rows(field.type, f"{prefix}{field.encode_name}.")
            continue
        name = prefix + field.encode_name
        variable = "LOGKEEP_" + name.replace(".", "_").upper()
        meta = field.type.__metadata__[0]
        secret = bool((meta.extra or {}).get("secret"))
        found.append(SettingRow(name, variable, field.default, meta.description, field.type, secret))
    return found


def load(
    *, file: Path | None = None, environment: Mapping[str, str] = os.environ, flags: Mapping[str, Any] | None = None
) -> Settings:
    """The settings in force. flags: TOML name → value, None for a flag not given.

    Raises InputError that names the file, variable or flag, the value and the limit.
    """
    tree: dict[str, Any] = {}
    if file is not None:
        try:
            tree = tomllib.loads(file.read_text())
        except (OSError, ValueError) as error:
            raise InputError(f"cannot read the configuration {file}: {error}") from error
    known = {row.name: row for row in rows()}
    by_variable = {row.variable: row for row in known.values()}
    for variable in sorted(v for v in environment if v.startswith("LOGKEEP_")):
        if variable in by_variable:
            _put(tree, by_variable[variable].name, _parsed(by_variable[variable], environment[variable]))
        elif (row := by_variable.get(variable.removesuffix(SECRET_FILE))) is not None and row.secret:
            if row.variable in environment:
                raise InputError(f"both {row.variable} and {variable} are set; keep one of them")
            _put(tree, row.name, _content(variable, environment[variable]))
    for name, value in (flags or {}).items():
        if value is not None:
            _put(tree, known[name].name, value)
    try:
        return msgspec.convert(tree, Settings)
    except msgspec.ValidationError as error:
        raise InputError(f"bad setting: {error}") from error


def _content(variable: str, path: str) -> str:
    """The secret in a file, without the end of its line."""
    try:
        return Path(path).read_text().rstrip("\r\n")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise InputError(f"{variable}={path}: cannot read the secret: {reason}") from None


def _put(tree: dict[str, Any], name: str, value: Any) -> None:
    *sections, leaf = name.split(".")
    for section in sections:
        tree = tree.setdefault(section, {})
    tree[leaf] = value


def _parsed(row: SettingRow, text: str) -> Any:
    try:
        return msgspec.convert(text, row.type, strict=False)
    except msgspec.ValidationError as error:
        raise InputError(f"{row.variable}={text!r}: {error}") from error
