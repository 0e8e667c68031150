"""How well a control loop keeps its cadence: figures from a running agent or from a trace."""

import math
from dataclasses import asdict, dataclass, field
from itertools import chain
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from agent.recording.reading import RecordedEvent, Trace
from bridge.errors import ConfigError
from fast_brain.section_timer import SECTIONS

Times64 = npt.NDArray[np.float64]
_NS_PER_S = 1e9
_US_PER_MS = 1e3
_NAMES = ("p50_ms", "p99_ms", "p999_ms", "max_ms")
_PERCENTS = (50, 99, 99.9, 100)
# What each part of a tick does, for the reader of the table.
_WHAT = {
    "observe": "read the newest observation, chunk and stop",
    "pick": "the stitcher chooses this tick's action",
    "filter": "the safety filter has its say",
    "command": "make the command, or the hold",
    "publish": "hand it to the robot",
}


@dataclass(frozen=True, kw_only=True)
class Times:
    """Percentiles of a time [ms]; None where nothing was measured."""

    p50_ms: float | None = None
    p99_ms: float | None = None
    p999_ms: float | None = None
    max_ms: float | None = None


@dataclass(frozen=True, kw_only=True)
class Cadence:
    """One loop's record; `cpu_share` [1] of one core is known of a running one only."""

    target_rate_hz: float | None
    effective_rate_hz: float
    ticks: int
    missed: int
    starved: int
    lateness: Times
    sections: dict[str, Times] = field(default_factory=dict[str, Times])
    priority: str = ""
    cpu_share: float | None = None
    notice: str = ""
    lost_events: int = 0

    @property
    def miss_rate(self) -> float:
        """The share of deadlines that were missed."""
        return self.missed / max(self.ticks + self.missed, 1)

    def as_json(self) -> dict[str, Any]:
        """The same for a program."""
        return asdict(self) | {"miss_rate": self.miss_rate}


@dataclass(frozen=True, kw_only=True)
class RecordedCadence:
    """A cadence with every single time [ms] behind it, for a plot."""

    cadence: Cadence
    late_ms: Times64
    took_ms: dict[str, Times64]


def cadence_of_status(status: dict[str, Any]) -> Cadence:
    """The figures of a running agent, as its server tells them.

    Raises:
        ConfigError: Its control loop has not ticked yet.
    """
    loop: dict[str, Any] | None = status.get("loop")
    if loop is None:
        raise ConfigError("The control loop has not told its cadence yet: try again in a second.")
    sign: dict[str, Any] = status.get("health", {}).get("control", {})
    return Cadence(
        target_rate_hz=loop["target_rate_hz"],
        effective_rate_hz=loop["effective_rate_hz"],
        ticks=loop["ticks"],
        missed=loop["missed_ticks"],
        starved=loop["starved_ticks"],
        lateness=Times(**{name: loop[f"lateness_{name}"] for name in _NAMES}),
        sections={name: Times(**times) for name, times in loop.get("sections", {}).items()},
        priority=loop.get("priority", ""),
        cpu_share=sign.get("cpu_share"),
        notice=sign.get("notice", ""),
    )


def cadence_of_trace(trace: Trace) -> RecordedCadence:
    """The figures of a recorded run, exact to the tick.

    Raises:
        ConfigError: No control loop was recorded in it.
    """
    batches, lost, priority = list[RecordedEvent](), 0, ""
    for event in trace:
        match (event.node, event.kind):
            case ("control", "control.ticks"):
                batches.append(event)
            case ("control", "trace.lost"):
                lost = event.facts["dropped"]
            case ("control", "process.started"):
                priority = event.facts["granted"]
            case _:
                pass
    if not batches:
        raise ConfigError(f"No tick of a control loop is recorded in {trace.files[0]}.")
    return _summed(batches, trace, lost, priority)


def _summed(
    batches: list[RecordedEvent], trace: Trace, lost: int, priority: str
) -> RecordedCadence:
    late_ms = _all(batches, "late_us")
    took_ms = {section: _all(batches, f"{section}_us") for section in SECTIONS}
    decisions = list(chain.from_iterable(batch.facts["decisions"] for batch in batches))
    first, last = batches[0], batches[-1]
    seconds = (last.stamp_ns - first.stamp_ns) / _NS_PER_S + last.facts["at_us"][-1] / 1e6
    cadence = Cadence(
        target_rate_hz=_target_rate_hz(trace),
        effective_rate_hz=(len(late_ms) - 1) / seconds if seconds > 0 else 0.0,
        ticks=len(late_ms),
        missed=sum(int(batch.facts["missed"]) for batch in batches),
        starved=sum(decision != "command" for decision in decisions),
        lateness=_times(late_ms),
        sections={section: _times(times) for section, times in took_ms.items()},
        priority=priority,
        lost_events=lost,
    )
    return RecordedCadence(cadence=cadence, late_ms=late_ms, took_ms=took_ms)


def _all(batches: list[RecordedEvent], name: str) -> Times64:
    """One figure of every tick [ms]."""
    parts = [np.asarray(batch.facts[name], np.float64) for batch in batches]
    return np.concatenate(parts) / _US_PER_MS


def _times(times_ms: Times64) -> Times:
    values = np.percentile(times_ms, _PERCENTS)
    return Times(**dict(zip(_NAMES, map(float, values), strict=True)))


def _target_rate_hz(trace: Trace) -> float | None:
    settings: dict[str, Any] = msgspec.json.decode(trace.about.get("settings", "{}"))
    rate: float | None = settings.get("fast_brain", {}).get("control_rate_hz")
    return rate


def render_cadence(cadence: Cadence) -> RenderableType:
    """A table for a person."""
    lines: list[RenderableType] = [Text(_headline(cadence)), Text(_counts(cadence))]
    table = Table("[ms]", *(_column(name) for name in _NAMES), "")
    table.add_row("lateness", *_cells(cadence.lateness), "how late the loop woke up")
    for section, times in cadence.sections.items():
        table.add_row(section, *_cells(times), _WHAT.get(section, ""))
    lines.append(table)
    if cadence.notice:
        lines.append(Text(f"Note: {cadence.notice}."))
    if cadence.lost_events:
        lines.append(Text(f"Note: {cadence.lost_events} batches of ticks were not recorded."))
    return Group(*lines)


def _headline(cadence: Cadence) -> str:
    target = cadence.target_rate_hz
    wanted = "" if target is None else f" of {target:g} Hz"
    share = cadence.cpu_share
    cost = "" if share is None else f", {share:.1%} of one core"
    priority = f", {cadence.priority}" if cadence.priority else ""
    return f"control loop: {cadence.effective_rate_hz:.1f} Hz{wanted}{priority}{cost}"


def _counts(cadence: Cadence) -> str:
    return (
        f"{cadence.ticks} ticks, {cadence.missed} missed ({cadence.miss_rate:.3%}), "
        f"{cadence.starved} starved: they had no action, so the robot held"
    )


def _column(name: str) -> str:
    return {"p999_ms": "p99.9"}.get(name, name.removesuffix("_ms"))


def _cells(times: Times) -> list[str]:
    values = [getattr(times, name) for name in _NAMES]
    return ["–" if value is None or math.isnan(value) else f"{value:.3f}" for value in values]
