"""The safety filter: the last word before the robot, on every single command.

A chain, in this order: shape → finite → bounds → speed. What is wrong in kind is vetoed, and the
robot holds; what is too far or too fast is clipped. It never invents an action.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bridge.arrays import AnyArray, FloatArray, frozen_array
from bridge.messages import ActionChunk, Verdict
from bridge.specs import ActionSpec

# Changes below this share are rounding to float32, not news.
_ROUNDING = 1e-6
_PASSED = Verdict(kind="passed")


class FilteredAction(NamedTuple):
    """What may be sent [A], read-only, or None when it was vetoed; the verdict says why."""

    action: FloatArray | None
    verdict: Verdict


class SafetyFilter:
    """Holds a robot's limits and where its target is, and lets nothing past them.

    The speed limit counts from the last action that was let through, or from the target that
    `start_from` was told: one step is at most `max_speed` / rate, however long ago that was. For
    a "delta" action the step is the action itself.
    """

    def __init__(self, spec: ActionSpec, rate_hz: float) -> None:
        """Make a filter for commands that come `rate_hz` times a second [Hz]."""
        self._low = _round_inward(spec.low, np.inf)
        self._high = _round_inward(spec.high, -np.inf)
        self._step = np.array(spec.max_speed, np.float64) / rate_hz
        self._is_delta = spec.mode == "delta"
        self._width = spec.width
        self._last: FloatArray | None = np.zeros(spec.width, np.float32) if self._is_delta else None

    @property
    def low(self) -> FloatArray:
        """Lower bounds [A] in float32, rounded inward."""
        return self._low

    @property
    def high(self) -> FloatArray:
        """Upper bounds [A] in float32, rounded inward."""
        return self._high

    @property
    def max_step(self) -> npt.NDArray[np.float64]:
        """The farthest that one command may be from the one before [A], [action unit]."""
        return self._step

    @property
    def last_action(self) -> FloatArray | None:
        """What the speed limit counts from [A]; None while nothing is known."""
        return self._last

    def start_from(self, target: AnyArray) -> None:
        """Count the speed limit from the target [A] that the robot says it has now.

        One of the wrong shape, or not finite, is not believed: nothing changes. Without effect on
        delta actions.
        """
        if not self._is_delta and self._trouble(target) == "":
            self._last = np.clip(target.astype(np.float32), self._low, self._high)

    def check_chunk(self, chunk: ActionChunk) -> str:
        """What is wrong with a chunk as a whole, in words; empty when every row can be judged."""
        actions = chunk.actions
        if actions.ndim != 2 or actions.shape[0] == 0 or actions.shape[1] != self._width:  # noqa: PLR2004  # rows and columns
            return f"chunk of shape {list(actions.shape)}, expected [H, {self._width}]"
        if not np.isfinite(actions).all():
            bad = int(actions.size - np.isfinite(actions).sum())
            return f"chunk with {bad} of {actions.size} values not finite"
        if not (np.isfinite(chunk.step_s) and chunk.step_s > 0):
            return f"chunk with a step of {chunk.step_s} s"
        return ""

    def filter(self, action: AnyArray) -> FilteredAction:
        """Let an action [A] through, clip it, or veto it.

        Filtering the result again from the same start changes nothing. The bounds always hold,
        and so does the speed limit once something is known to count from.
        """
        trouble = self._trouble(action)
        if trouble:
            return FilteredAction(None, Verdict(kind="vetoed", reason=trouble))
        wanted = action.astype(np.float32)
        bounded = np.clip(wanted, self._low, self._high)
        safe = self._slow_down(bounded)
        if not self._is_delta:
            self._last = safe
        return FilteredAction(frozen_array(safe), self._judge(wanted, bounded, safe))

    def _slow_down(self, bounded: FloatArray) -> FloatArray:
        if self._last is None:
            return bounded
        # The start lies inside the bounds (or is clipped into them), so the two always overlap.
        start = np.clip(self._last, self._low, self._high).astype(np.float64)
        return np.clip(
            bounded,
            np.maximum(self._low, (start - self._step).astype(np.float32)),
            np.minimum(self._high, (start + self._step).astype(np.float32)),
        )

    def _trouble(self, action: AnyArray) -> str:
        if action.shape != (self._width,):
            return f"action of shape {list(action.shape)}, expected [{self._width}]"
        if not np.isfinite(action).all():
            return "action with a value that is not finite"
        return ""

    @staticmethod
    def _judge(wanted: FloatArray, bounded: FloatArray, safe: FloatArray) -> Verdict:
        # In float64: the difference of two large float32 may be inf.
        wish, held, sent = (array.astype(np.float64) for array in (wanted, bounded, safe))
        causes = ["bounds"] * _differ(wish, held) + ["speed"] * _differ(held, sent)
        if not causes:
            return _PASSED
        change = float(np.abs(wish - sent).max())
        return Verdict(kind="clipped", reason=" and ".join(causes), clipped_by=change)


def _differ(first: npt.NDArray[np.float64], second: npt.NDArray[np.float64]) -> bool:
    """Whether two actions differ by more than rounding; a bound of 0.1 is none in float32."""
    return bool((np.abs(first - second) > _ROUNDING * np.maximum(1.0, np.abs(first))).any())


def _round_inward(bounds: tuple[float, ...], inward: float) -> npt.NDArray[Any]:
    """Bounds as float32, none of them outside the exact ones."""
    exact = np.array(bounds, np.float64)
    rounded = exact.astype(np.float32)
    is_outside = rounded < exact if inward > 0 else rounded > exact
    return frozen_array(np.where(is_outside, np.nextafter(rounded, np.float32(inward)), rounded))
