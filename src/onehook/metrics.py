"""Counters for Prometheus. Labels come from the configuration, never from a request."""

from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class Metrics:
    """Every metric of one gateway, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.webhooks = Counter(
            "onehook_webhooks_total",
            "Verified webhooks by what became of them",
            ["integration", "outcome"],
            registry=self.registry,
        )
        # Finding a counter by its labels costs more than counting; there are few of these.
        self.webhook = cache(self.webhooks.labels)
        self.rejected = Counter(
            "onehook_ingest_rejected_total",
            "Requests to the ingest URL that were refused",
            ["integration", "reason"],
            registry=self.registry,
        )
        self.refused_connections = Counter(
            "onehook_connections_refused_total",
            "Connections closed before a request was whole: broken, too slow, or one too many",
            ["reason"],
            registry=self.registry,
        )
        self.events = Counter(
            "onehook_events_total",
            "Events committed",
            ["platform", "integration"],
            registry=self.registry,
        )
        self.event = cache(self.events.labels)
        self.unmapped = Counter(
            "onehook_unmapped_values_total",
            "Enum values that no table names",
            ["platform", "field"],
            registry=self.registry,
        )
        self.attempts = Counter(
            "onehook_delivery_attempts_total",
            "Attempts by outcome",
            ["subscription", "outcome"],
            registry=self.registry,
        )
        self.attempt = cache(self.attempts.labels)
        self.ingest_seconds = Histogram(
            "onehook_ingest_seconds",
            "From the last byte of a webhook to its answer",
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
            registry=self.registry,
        )
        self.round_trips = Counter(
            "onehook_store_round_trips_total",
            "How often something was sent to the store and waited for",
            registry=self.registry,
        )
        self.batch = Histogram(
            "onehook_commit_batch_size",
            "Webhooks made durable by one fsync",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128),
            registry=self.registry,
        )
        self.broken_mappings = Gauge(
            "onehook_mappings_broken",
            "Mapping files that cannot be used as they are now",
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "onehook_deliveries_in_flight", "Attempts being made", registry=self.registry
        )
