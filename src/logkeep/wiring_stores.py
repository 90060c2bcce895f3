"""Settings to a store: the part of the wiring that names the adapters of stores."""

from typing import Literal

from logkeep.clock import SystemClock
from logkeep.settings import Settings
from logkeep.store.port import Store
from logkeep.tls import TlsFiles


def opened_store(settings: Settings) -> Store:
    """Raises BackendUnavailable."""
    kind = settings.store.kind
    if kind == "mongodb":
        return _opened_mongodb(settings)
    return _opened_embedded(settings) if kind == "embedded" else _opened_opensearch(settings, kind)


def _opened_mongodb(settings: Settings) -> Store:
    from logkeep.store.mongodb import MongoStore

    mongodb = settings.mongodb
    return MongoStore(
        mongodb.url,
        prefix=mongodb.database,
        read_preference=mongodb.read_preference,
        connect_timeout_s=mongodb.connect_timeout_s,
        clock=SystemClock(),
    )


def _opened_opensearch(settings: Settings, product: Literal["opensearch", "elasticsearch"]) -> Store:
    from logkeep.store.opensearch import OpenSearchStore
    from logkeep.store.opensearch_client import Access
    from logkeep.store.opensearch_schema import Layout

    given = settings.opensearch
    access = Access(
        tuple(url.strip() for url in given.urls.split(",") if url.strip()),
        product,
        user=given.user,
        password=given.password,
        api_key=given.api_key,
        files=TlsFiles.of("opensearch", given),
        connections=settings.api.readers + given.bulk_requests + 2,
    )
    layout = Layout(given.index_prefix, given.shards, given.replicas)
    return OpenSearchStore(
        access, layout, preference=given.preference, bulk_requests=given.bulk_requests, clock=SystemClock()
    )


def _opened_embedded(settings: Settings) -> Store:
    from logkeep.store.embedded import EmbeddedStore

    return EmbeddedStore(
        settings.folder / "store",
        memory_bytes_max=settings.store.memory_bytes_max,
        mark_cache_bytes=settings.store.mark_cache_bytes,
        merge_threads=settings.store.merge_threads,
        readers=settings.api.readers,
        clock=SystemClock(),
    )
