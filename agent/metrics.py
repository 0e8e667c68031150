"""A run's figures for Prometheus, read from its newest status whenever somebody asks."""

from collections.abc import Iterator
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from agent.server_state import ServerState

_PHASES = ("idle", "thinking", "acting", "goal_done", "goal_failed")
_MS_PER_S = 1000.0
# Figure, its key in the loop's status, and what it says.
_LOOP_GAUGES = (
    ("tandem_loop_target_rate_hertz", "target_rate_hz", "Wanted rate of the control loop"),
    ("tandem_loop_effective_rate_hertz", "effective_rate_hz", "Rate that the loop keeps"),
)
_LOOP_COUNTERS = (
    ("tandem_loop_ticks", "ticks", "Ticks of the control loop"),
    ("tandem_loop_missed_ticks", "missed_ticks", "Ticks whose deadline had passed"),
    ("tandem_loop_starved_ticks", "starved_ticks", "Ticks that had no action"),
)
_QUANTILES = (
    ("0.5", "lateness_p50_ms"),
    ("0.99", "lateness_p99_ms"),
    ("0.999", "lateness_p999_ms"),
    ("1", "lateness_max_ms"),
)


class RunCollector(Collector):
    """Turns the status into metrics; what is not known yet is left out, never zero."""

    def __init__(self, state: ServerState) -> None:
        self._state = state

    def collect(self) -> Iterator[Metric]:
        """All figures of this moment."""
        status = self._state.status()
        yield from _loop_metrics(status["loop"])
        yield from _planning_metrics(status["planning"])
        if status["latent_age_s"] is not None:
            yield GaugeMetricFamily(
                "tandem_latent_age_seconds",
                "Time since the picture behind the newest latent",
                value=status["latent_age_s"],
            )
        yield _health_metric(status["health"])


def _loop_metrics(loop: dict[str, Any] | None) -> Iterator[Metric]:
    if loop is None:
        return
    for name, key, text in _LOOP_GAUGES:
        yield GaugeMetricFamily(name, text, value=loop[key])
    for name, key, text in _LOOP_COUNTERS:
        yield CounterMetricFamily(name, text, value=loop[key])
    lateness = GaugeMetricFamily(
        "tandem_loop_lateness_seconds", "How late the loop wakes up", labels=["quantile"]
    )
    for quantile, key in _QUANTILES:
        if loop[key] is not None:
            lateness.add_metric([quantile], loop[key] / _MS_PER_S)
    yield lateness


def _planning_metrics(planning: dict[str, Any] | None) -> Iterator[Metric]:
    if planning is None:
        return
    yield GaugeMetricFamily(
        "tandem_plan_latency_seconds",
        "How long the newest plan took to make",
        value=planning["plan_latency_s"],
    )
    # Counted anew for each goal, hence no counter.
    yield GaugeMetricFamily(
        "tandem_goal_plans", "Plans made for this goal", value=planning["plans_made"]
    )
    phase = GaugeMetricFamily("tandem_phase", "What the slow brain is doing", labels=["phase"])
    for name in _PHASES:
        phase.add_metric([name], float(planning["phase"] == name))
    yield phase


def _health_metric(health: dict[str, Any]) -> Metric:
    silent = GaugeMetricFamily(
        "tandem_node_silent_seconds", "Time since a node's last sign of life", labels=["node"]
    )
    for node, sign in health.items():
        silent.add_metric([node], sign["age_s"])
    return silent
