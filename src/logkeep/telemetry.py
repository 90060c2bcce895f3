"""Logkeep's own metrics and log lines.

Every metric stands in `METRICS`; docs/reference/metrics.md lists them and a test compares. Several processes share a
folder of memory-mapped counters (prometheus_client's multiprocess mode), so any role's `/metrics` shows the whole
machine. Counters are touched once a batch, never once an event.
"""

import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from logkeep.imports import import_without

if TYPE_CHECKING:
    import structlog
else:
    # rich is there for the command line; structlog would load it in every process for tracebacks: 0.2 s of start.
    structlog = import_without("structlog", "rich")


class Metric(msgspec.Struct, frozen=True):
    """name without the `logkeep_` prefix; counters get `_total` from the exposition format."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    merge: Literal["livesum", "livemostrecent"] = "livesum"  # of a gauge: how processes are joined


_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_REQUESTS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_EVENTS = (1, 10, 100, 1_000, 10_000, 50_000, 100_000)


def _counter(name: str, help: str, *labels: str) -> Metric:
    return Metric(name, "counter", help, labels)


def _newest(name: str, help: str, *labels: str) -> Metric:
    """A gauge that one process at a time knows."""
    return Metric(name, "gauge", help, labels, merge="livemostrecent")


def _histogram(name: str, help: str, buckets: tuple[float, ...], *labels: str) -> Metric:
    return Metric(name, "histogram", help, labels, buckets)


METRICS = (
    _counter("intake_requests", "intake requests answered, by status", "status"),
    _counter("intake_events_accepted", "events acknowledged as durable", "source"),
    _counter("intake_events_rejected", "events rejected by a receiver, by reason", "reason"),
    _counter("intake_events_refused", "events over a limit, by what limits and whose limit it was", "why", "source"),
    Metric("counters_away", "gauge", "receivers that count limits by themselves, for the shared counters are away"),
    _counter("intake_notices_accepted", "notices acknowledged as durable (sessions that were told, …)", "kind"),
    _counter("intake_body_bytes", "bytes of request bodies and datagrams taken in", "source"),
    Metric("intake_connections", "gauge", "open intake connections"),
    _histogram("intake_commit_seconds", "seconds of one group commit: write and fsync", _SECONDS),
    _histogram("intake_commit_requests", "requests that shared one group commit", _REQUESTS),
    _counter("udp_datagrams", "datagrams read from the socket"),
    _counter("udp_kernel_drops", "datagrams the kernel dropped because the socket's buffer was full"),
    _counter("udp_refused_datagrams", "datagrams read and not kept because the queue was full"),
    _newest("udp_missing_events", "numbered events that never came, by component", "component"),
    _newest("queue_lag_bytes", "bytes acknowledged and not processed yet", "partition"),
    _counter("queue_corrupt_records", "damaged stretches of the queue that were skipped"),
    _newest("processor_partitions_stopped", "partitions that wait for a newer Logkeep, which wrote into them"),
    _counter("processor_events_stored", "events written to the store"),
    _counter("processor_events_rejected", "events dropped by the processor, by reason", "reason"),
    _counter("processor_notices_applied", "notices written to the metastore", "kind"),
    _counter("devices_forgotten", "devices that made room for new ones of their app, having told nothing for longest"),
    _counter("processor_texts_masked", "values and attributes of which something was masked"),
    _newest("session_map_waiting_events", "events that wait for their session"),
    _counter("session_map_rows_dropped", "sessions seen in events that came faster than the map is written"),
    _counter("processor_events_corrected", "events repaired by the processor, by what was repaired", "what"),
    _counter(
        "processor_events_ungrouped", "text events without a pattern: they came faster than new patterns are found"
    ),
    _histogram("processor_batch_seconds", "seconds of one batch: plan, write, commit", _SECONDS),
    _histogram("processor_batch_events", "events in one batch", _EVENTS),
    _counter("processor_retries", "writes to the store that failed and were tried again"),
    _newest("processor_oldest_age_seconds", "age of the oldest event of the last batch when it became searchable"),
    _counter("samples_dropped", "samples of rejected events not kept because the metastore did not answer"),
    _counter("store_days_dropped", "days removed because of their age"),
    _counter("api_requests", "API requests answered, by route and status", "route", "status"),
    _counter("api_reads_ended_early", "reads ended before they were whole: cancelled, or by which limit", "why"),
    _histogram("api_query_seconds", "seconds a query took in the store", _SECONDS, "route"),
    _newest("tail_readers", "open live tails"),
    _counter("tail_events", "events put before live tails, once a reader"),
    _counter("tail_dropped", "events live tails were told of as dropped, once a reader, by reason", "reason"),
    _counter("tail_cpu_seconds", "seconds of CPU spent on matching and encoding for live tails"),
    _counter("export_events", "events sent by exports"),
    _counter("audit_dropped", "reads that are missing in the audit log: the metastore was away for too long"),
    _counter("mails", "mails to people, by what became of them", "outcome"),
    _counter("sign_ins", "tries to sign in, by how and by what became of them", "how", "outcome"),
    _counter("process_restarts", "processes the supervisor started again after they died", "role"),
)


def share_metrics_in(folder: Path) -> None:
    """Processes started from here on share their counters in `folder`. Call before the first metric is made."""
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)


class Telemetry:
    """The metrics of this process: `telemetry["intake_requests"].labels("202").inc()`."""

    def __init__(self) -> None:
        import prometheus_client as prometheus  # after share_metrics_in: it reads the environment on import

        self._registry = prometheus.CollectorRegistry()
        self._metrics: dict[str, prometheus.metrics.MetricWrapperBase] = {}
        for metric in METRICS:
            name = f"logkeep_{metric.name}"
            if metric.kind == "counter":
                self._metrics[metric.name] = prometheus.Counter(
                    name, metric.help, metric.labels, registry=self._registry
                )
            elif metric.kind == "gauge":
                self._metrics[metric.name] = prometheus.Gauge(
                    name, metric.help, metric.labels, registry=self._registry, multiprocess_mode=metric.merge
                )
            else:
                self._metrics[metric.name] = prometheus.Histogram(
                    name, metric.help, metric.labels, buckets=metric.buckets, registry=self._registry
                )

    def __getitem__(self, name: str) -> Any:
        return self._metrics[name]

    def exposition(self) -> bytes:
        """The Prometheus text of all processes that share their counters (of this one, when none do)."""
        import prometheus_client as prometheus
        from prometheus_client import multiprocess

        folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
        if not folder:
            return prometheus.generate_latest(self._registry)
        registry = prometheus.CollectorRegistry()
        multiprocess.MultiProcessCollector(registry, path=folder)  # type: ignore[no-untyped-call]
        return prometheus.generate_latest(registry)


def get_logger(name: str) -> Any:
    """A logger of structlog's; its lines name themselves by event, not by `name`."""
    return structlog.get_logger(name)


def configure_logging(level: str = "info") -> None:
    """Own log lines go to standard error: coloured on a terminal, JSON lines elsewhere."""
    terminal = sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer(colors=terminal) if terminal else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper(), logging.INFO)),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
