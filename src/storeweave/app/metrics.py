"""What is measured, in Prometheus' text format: the hub's state at the moment of asking, and this process' counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from storeweave.app.shown import Status

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
CONNECTION_STATES = ("active", "paused", "blocked", "read-only", "unknown")


class Metrics:
    """Renders; has a registry of its own, so that nothing global is touched."""

    def __init__(self, answered: Mapping[tuple[str, int], int] | None = None) -> None:
        """``answered`` are the webhook door's counts."""
        self._answered = answered if answered is not None else {}
        self._process = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self._process)
        PlatformCollector(registry=self._process)
        GCCollector(registry=self._process)

    def render(self, status: Status, parked: Mapping[tuple[str, str], int]) -> bytes:
        """All metrics now. ``parked`` counts keys by flow and reason code."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Once([*families(status, parked), *_door(self._answered)]))
        return generate_latest(registry) + generate_latest(self._process)


class _Once(Collector):
    """Hands out families that were made already."""

    def __init__(self, found: Iterable[Metric]) -> None:
        self._found = list(found)

    def collect(self) -> Iterable[Metric]:
        return self._found


def families(status: Status, parked: Mapping[tuple[str, str], int]) -> Iterator[Metric]:
    """The hub's own metrics."""
    yield InfoMetricFamily("storeweave_build", "The program", value={"version": status.version})
    marks = GaugeMetricFamily("storeweave_keys", "Keys that are not done, by state", labels=["flow", "state"])
    linked = GaugeMetricFamily("storeweave_linked_records", "Records known on both sides", labels=["flow", "kind"])
    lag = GaugeMetricFamily("storeweave_lag_seconds", "Age of the oldest key that is not done", labels=["flow"])
    for flow in status.flows:
        for state, count in (
            ("dirty", flow.dirty),
            ("backing_off", flow.backing_off),
            ("parked", flow.parked),
            ("held", flow.held),
        ):
            marks.add_metric([flow.name, state], count)
        for kind, count in flow.linked.items():
            linked.add_metric([flow.name, kind], count)
        lag.add_metric([flow.name], flow.lag_s)
    yield from (marks, linked, lag)
    causes = GaugeMetricFamily("storeweave_parked_keys", "Parked keys, by reason", labels=["flow", "code"])
    for (name, code), count in parked.items():
        causes.add_metric([name, code], count)
    yield causes
    yield GaugeMetricFamily("storeweave_open_brakes", "Guards that wait for a person", value=status.brakes)
    yield from _connections(status)


def _connections(status: Status) -> Iterator[Metric]:
    states = GaugeMetricFamily(
        "storeweave_connection_state", "1 for the state it is in", labels=["connection", "state"]
    )
    last = GaugeMetricFamily(
        "storeweave_last_notice_timestamp_seconds", "When its newest webhook came", labels=["connection"]
    )
    calls = CounterMetricFamily("storeweave_calls", "Calls to the vendor by this process", labels=["connection"])
    limited = CounterMetricFamily(
        "storeweave_rate_limited", "Calls that the vendor refused for their number", labels=["connection"]
    )
    left = GaugeMetricFamily("storeweave_calls_left", "Calls left in the vendor's window", labels=["connection"])
    for connection in status.connections:
        for state in CONNECTION_STATES:
            states.add_metric([connection.name, state], float(connection.state == state))
        if connection.last_notice_at is not None:
            last.add_metric([connection.name], connection.last_notice_at.timestamp())
        for family, value in ((calls, connection.calls), (limited, connection.limited), (left, connection.calls_left)):
            if value is not None:
                family.add_metric([connection.name], value)
    yield from (states, last, calls, limited, left)


def _door(answered: Mapping[tuple[str, int], int]) -> Iterator[Metric]:
    family = CounterMetricFamily("storeweave_webhooks", "Webhooks by answer", labels=["connection", "status"])
    for (connection, status), count in answered.items():
        family.add_metric([connection, str(status)], count)
    yield family
