"""What is counted, for Prometheus."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from ledger.writer import Batch

_COMMIT_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5)
_BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class Metrics:
    """The meters of one server. Labels are route templates, never ids."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.events = Counter("ledger_events_appended", "Events committed.", registry=self.registry)
        self.commands = Histogram(
            "ledger_batch_commands",
            "Commands answered by one commit.",
            buckets=_BATCH_SIZES,
            registry=self.registry,
        )
        self.commits = Histogram(
            "ledger_commit_seconds",
            "Deciding and committing one batch.",
            buckets=_COMMIT_SECONDS,
            registry=self.registry,
        )
        self.requests = Histogram(
            "http_request_seconds",
            "From the request to the end of its answer; streams count when they end.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self._meters: dict[tuple[str, str, str], Histogram] = {}

    def committed(self, batch: Batch) -> None:
        """Count a commit; called on the writer's thread."""
        self.events.inc(batch.events)
        self.commands.observe(batch.commands)
        self.commits.observe(batch.seconds)

    def answered(self, method: str, route: str, status: str, seconds: float) -> None:
        """Count a request; called on the event loop."""
        key = method, route, status
        meter = self._meters.get(key)
        if meter is None:
            meter = self._meters[key] = self.requests.labels(*key)
        meter.observe(seconds)

    def watch(self, name: str, help_: str, read: Callable[[], float]) -> None:
        """Show a value that is read when somebody looks."""
        Gauge(name, help_, registry=self.registry).set_function(read)

    def exposition(self) -> bytes:
        """Everything, in Prometheus' text format."""
        return generate_latest(self.registry)
