"""How smoothly an arm was commanded, from its commands alone: jerk, and the gaps at chunk joins."""

from collections.abc import Sequence

import msgspec
import numpy as np

from bridge.arrays import AnyArray
from bridge.messages import Command, Decision
from bridge.specs import ActionSpec

_NS_PER_S = 1_000_000_000
_METRES = "m"
# So many commands in a row have one jerk: the third difference.
_JERK_TAKES = 4


class Motion(msgspec.Struct, frozen=True, kw_only=True):
    """The commands of one episode, after the safety filter.

    Lengths are of the components in metres, or of all components together when there are none.
    `jerk_…` [m/s³] is the third difference of commands that followed each other without a break,
    over the control period cubed. A join is a command that came from another chunk than the one
    just before it; `gap_…` [m] is the distance between the two, and `step_mean_m` that between two
    commands of one chunk, to compare with. None where there was nothing to measure.
    """

    commands: int
    joins: int
    jerk_mean_m_per_s3: float | None
    jerk_p99_m_per_s3: float | None
    gap_mean_m: float | None
    gap_p99_m: float | None
    step_mean_m: float | None


class MotionMeter:
    """Takes in what the control loop decides, and measures it at the end.

    Args:
        action: Of the robot; says which components are metres.
        rate_hz: Of the control loop.
    """

    def __init__(self, action: ActionSpec, rate_hz: float) -> None:
        metres = [index for index, unit in enumerate(action.units) if unit == _METRES]
        self._components = metres or list(range(action.width))
        self._period_s = 1.0 / rate_hz
        self._stamps_ns: list[int] = []
        self._chunks: list[int] = []
        self._actions: list[AnyArray] = []

    def look(self, decision: Decision | None) -> None:
        """Take in the newest decision; the same one again is no news, and a hold is a break."""
        if not isinstance(decision, Command):
            return
        if self._stamps_ns and decision.stamp_ns <= self._stamps_ns[-1]:
            return
        self._stamps_ns.append(decision.stamp_ns)
        self._chunks.append(decision.chunk_sequence)
        self._actions.append(decision.action[self._components])

    def measure(self) -> Motion:
        """What has been seen so far, in figures."""
        if not self._stamps_ns:
            return measure_motion(np.empty((0, len(self._components))), [], [], self._period_s)
        positions = np.asarray(self._actions, np.float64)
        return measure_motion(positions, self._stamps_ns, self._chunks, self._period_s)


def measure_motion(
    positions_m: AnyArray,
    stamps_ns: Sequence[int],
    chunks: Sequence[int],
    period_s: float,
) -> Motion:
    """Measure commands [n, components] with their times [n] and the chunks [n] they came from.

    Source: jerk as the third finite difference, Δ³x / Δt³.
    """
    apart_s = np.diff(np.asarray(stamps_ns, np.int64)) / _NS_PER_S
    # Anything but the next beat is a break: a hold, or a beat that was missed.
    follows = np.abs(apart_s - period_s) < period_s / 2
    steps_m = np.linalg.norm(np.diff(positions_m, axis=0), axis=1)
    is_join = np.diff(np.asarray(chunks, np.int64)) != 0
    jerk = _jerk(positions_m, follows, period_s)
    gaps_m = steps_m[follows & is_join]
    return Motion(
        commands=len(stamps_ns),
        joins=len(gaps_m),
        jerk_mean_m_per_s3=_mean(jerk),
        jerk_p99_m_per_s3=_p99(jerk),
        gap_mean_m=_mean(gaps_m),
        gap_p99_m=_p99(gaps_m),
        step_mean_m=_mean(steps_m[follows & ~is_join]),
    )


def _jerk(positions_m: AnyArray, follows: AnyArray, period_s: float) -> AnyArray:
    if len(positions_m) < _JERK_TAKES:
        return np.empty(0)
    thirds = np.linalg.norm(np.diff(positions_m, n=3, axis=0), axis=1) / period_s**3
    return thirds[follows[:-2] & follows[1:-1] & follows[2:]]


def _mean(values: AnyArray) -> float | None:
    return float(values.mean()) if len(values) else None


def _p99(values: AnyArray) -> float | None:
    return float(np.percentile(values, 99)) if len(values) else None
