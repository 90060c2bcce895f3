"""Logkeep's own metrics and log lines.

Every metric stands in `METRICS`; docs/reference/metrics.md lists them and a test compares. Several processes share a
folder of memory-mapped counters (prometheus_client's multiprocess mode), so any role's `/metrics` shows the whole
machine. Counters are touched once a batch, never once an event.
"""

import logging
import os
import sys
from pathlib import Path
from typing import Any, Literal

import msgspec
import structlog


class Metric(msgspec.Struct, frozen=True):
    """name without the `logkeep_` prefix; counters get `_total` from the exposition format."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    merge: Literal["sum", "livesum", "max", "livemax", "mostrecent", "livemostrecent"] = (
        "livesum"  # gauges: how processes are merged
    )


_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

METRICS = (
    Metric("intake_requests", "counter", "intake requests answered, by status", ("status",)),
    Metric("intake_events_accepted", "counter", "events acknowledged as durable", ("source",)),
    Metric("intake_events_rejected", "counter", "events rejected by a receiver, by reason", ("reason",)),
    Metric("intake_body_bytes", "counter", "bytes of request bodies and datagrams taken in", ("source",)),
    Metric("intake_connections", "gauge", "open intake connections"),
    Metric("intake_commit_seconds", "histogram", "seconds of one group commit: write and fsync", (), _SECONDS),
    Metric("intake_commit_requests", "histogram", "requests that shared one group commit", (), (1, 2, 4, 8, 16, 32, 64, 128, 256)),
    Metric("udp_datagrams", "counter", "datagrams read from the socket"),
    Metric("udp_kernel_drops", "counter", "datagrams the kernel dropped because the socket's buffer was full"),
    Metric("udp_refused_datagrams", "counter", "datagrams read and not kept because the queue was full"),
    Metric("udp_missing_events", "gauge", "numbered events that never came, by component", ("component",), merge="livemostrecent"),
    Metric("queue_lag_bytes", "gauge", "bytes acknowledged and not processed yet", ("partition",), merge="livemostrecent"),
    Metric("queue_corrupt_records", "counter", "damaged stretches of the queue that were skipped"),
    Metric("processor_events_stored", "counter", "events written to the store"),
    Metric("processor_events_rejected", "counter", "events dropped by the processor, by reason", ("reason",)),
    Metric("processor_events_corrected", "counter", "events repaired by the processor, by what was repaired", ("what",)),
    Metric("processor_batch_seconds", "histogram", "seconds of one batch: decode, write, commit", (), _SECONDS),
    Metric("processor_batch_events", "histogram", "events in one batch", (), (1, 10, 100, 1_000, 10_000, 50_000, 100_000)),
    Metric("processor_retries", "counter", "writes to the store that failed and were tried again"),
    Metric("processor_oldest_age_seconds", "gauge", "age of the oldest acknowledged event in the last batch when it became searchable", (), merge="livemostrecent"),
    Metric("store_days_dropped", "counter", "days removed because of their age"),
    Metric("api_requests", "counter", "API requests answered, by route and status", ("route", "status")),
    Metric("api_query_seconds", "histogram", "seconds a query took in the store", ("route",), _SECONDS),
    Metric("process_restarts", "counter", "processes the supervisor started again after they died", ("role",)),
)  # fmt: skip


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
        multiprocess.MultiProcessCollector(registry, path=folder)
        return prometheus.generate_latest(registry)


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
