"""The chain: each filter in its turn, and one verdict that says what they did.

Order: emergency stop → shape → finite → workspace → bounds → gripper → motion. What is wrong in
kind is vetoed, and the robot holds; what is too far, too hard or too fast is clipped. The motion
filter is the last, because it alone knows how to keep all of them and still be able to stop.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bridge.arrays import AnyArray, FloatArray, frozen_array
from bridge.messages import ActionChunk, Verdict
from bridge.specs import ActionSpec
from fast_brain.safety.bounds import Bounds, dimension_bounds, round_inward, workspace_bounds
from fast_brain.safety.emergency_stop import EmergencyStop
from fast_brain.safety.finite import trouble_with_values
from fast_brain.safety.gripper import GripperForce
from fast_brain.safety.motion import MotionFilter
from fast_brain.safety.shape import trouble_with_shape

Numbers = npt.NDArray[np.float64]
# Changes below this share are rounding to float32, not news.
_ROUNDING = 1e-6
_PASSED = Verdict(kind="passed")


class FilteredAction(NamedTuple):
    """What may be sent [A], read-only, or None when it was vetoed; the verdict says why."""

    action: FloatArray | None
    verdict: Verdict


class SafetyFilter:
    """Holds a robot's limits and where its target is, and lets nothing past them.

    Motion counts from the last action that was let through, or from the target that `start_from`
    was told: one call is one tick of the rate, however long ago the last one was. A target outside
    the bounds to start from is led back inside them, within the limits of motion.
    """

    def __init__(
        self, spec: ActionSpec, rate_hz: float, emergency_stop: EmergencyStop | None = None
    ) -> None:
        """Make a filter for commands that come `rate_hz` times a second [Hz].

        Args:
            spec: The robot's limits.
            rate_hz: Calls of `filter` a second [Hz].
            emergency_stop: The latch that is looked at; none is never latched.
        """
        self._spec = spec
        self._bounds = dimension_bounds(spec)
        self._workspace = workspace_bounds(spec)
        inner = self._bounds if self._workspace is None else _both(self._bounds, self._workspace)
        self._low = round_inward(inner.low, np.inf)
        self._high = round_inward(inner.high, -np.inf)
        # Inside what float32 can say, so that rounding what is sent leaves it inside.
        inner = Bounds(self._low.astype(np.float64), self._high.astype(np.float64))
        self._inner = inner
        self._motion = MotionFilter(spec, rate_hz, inner)
        self._gripper = (
            GripperForce(spec, spec.gripper)
            if spec.gripper and spec.gripper.force_reading
            else None
        )
        self._latch = emergency_stop or EmergencyStop()

    @property
    def low(self) -> FloatArray:
        """Lower bounds [A] in float32, rounded inward; those of the workspace among them."""
        return self._low

    @property
    def high(self) -> FloatArray:
        """Upper bounds [A] in float32, rounded inward; those of the workspace among them."""
        return self._high

    @property
    def last_action(self) -> FloatArray | None:
        """The target that motion counts from [A]; None while nothing is known."""
        position = self._motion.position
        return None if position is None else position.astype(np.float32)

    @property
    def stopping_ticks(self) -> tuple[float, int]:
        """How many ticks a stop from full speed takes at least, and how many are planned ahead.

        Less than about 1.6 times as many keep the robot slower than its limit.
        """
        return self._motion.fastest_stop, self._motion.horizon

    @property
    def is_at_rest(self) -> bool:
        """Whether there is nothing left to brake."""
        return self._motion.is_at_rest

    @property
    def emergency_stop(self) -> EmergencyStop:
        """The latch that is looked at."""
        return self._latch

    def start_from(self, target: AnyArray) -> None:
        """Count from the target [A] that the robot says it has now, at rest.

        One of the wrong shape, or not finite, is not believed: nothing changes.
        """
        if not self._trouble(target):
            self._motion.start_from(target)

    def feel(self, proprioception: Mapping[str, AnyArray]) -> None:
        """Take note of the robot's newest readings, for the gripper's force."""
        if self._gripper is not None:
            self._gripper.feel(proprioception)

    def check_chunk(self, chunk: ActionChunk) -> str:
        """What is wrong with a chunk as a whole, in words; empty when every row can be judged."""
        actions, width = chunk.actions, self._spec.width
        if actions.ndim != 2 or actions.shape[0] == 0 or actions.shape[1] != width:  # noqa: PLR2004  # rows and columns
            return f"chunk of shape {list(actions.shape)}, expected [H, {width}]"
        if not np.isfinite(actions).all():
            bad = int(actions.size - np.isfinite(actions).sum())
            return f"chunk with {bad} of {actions.size} values not finite"
        if not (np.isfinite(chunk.step_s) and chunk.step_s > 0):
            return f"chunk with a step of {chunk.step_s} s"
        return ""

    def filter(self, action: AnyArray) -> FilteredAction:
        """Let an action [A] through, clip it, or veto it; a veto changes nothing.

        Bounds always hold, and so do the limits of motion once something is known to count from.
        """
        trouble = self._latched() or self._trouble(action)
        if trouble:
            return FilteredAction(None, Verdict(kind="vetoed", reason=trouble))
        wanted = action.astype(np.float64)
        allowed, changes = self._clip(wanted)
        limited = self._motion.follow(allowed)
        changes |= limited.changes
        safe = self._rounded(limited.action)
        return FilteredAction(safe, _judge(wanted, safe, changes) if changes else _PASSED)

    def brake(self) -> FloatArray | None:
        """The next action [A] on the way to rest, within all limits; None when it is at rest."""
        if self._motion.is_at_rest:
            return None
        return self._rounded(self._motion.brake())

    def halt(self) -> None:
        """Count from the last target at rest: the robot was stopped by itself."""
        last = self._motion.position
        if last is not None:
            self._motion.start_from(last)

    def _latched(self) -> str:
        if not self._latch.is_latched or self._latch.request is None:
            return ""
        return f"emergency stop: {self._latch.request.reason}"

    def _trouble(self, action: AnyArray) -> str:
        return trouble_with_shape(action, self._spec.width) or trouble_with_values(action)

    def _clip(self, wanted: Numbers) -> tuple[Numbers, dict[str, float]]:
        changes: dict[str, float] = {}
        inside = wanted
        if self._workspace is not None:
            inside = _noted("workspace", wanted, self._workspace.clip(wanted), changes)
        bounded = self._bounds.clip(inside)
        allowed = self._inner.clip(_noted("bounds", inside, bounded, changes))
        if self._gripper is None:
            return allowed, changes
        eased = self._gripper.clip(allowed, self._motion.position)
        return _noted("gripper", allowed, eased, changes), changes

    def _rounded(self, action: Numbers) -> FloatArray:
        # Rounding is clipped; a target that began outside is still on its way back.
        inside = self._inner.clip(action)
        is_rounding = np.abs(inside - action).max() <= _ROUNDING
        return frozen_array((inside if is_rounding else action).astype(np.float32))


def _both(first: Bounds, second: Bounds) -> Bounds:
    return Bounds(np.maximum(first.low, second.low), np.minimum(first.high, second.high))


def _noted(name: str, before: Numbers, after: Numbers, changes: dict[str, float]) -> Numbers:
    """The array after a filter; by how much it changed is noted, if by more than rounding."""
    if after is not before:
        size = np.abs(before - after)
        if (size > _ROUNDING * np.maximum(1.0, np.abs(before))).any():
            changes[name] = float(size.max())
    return after


def _judge(wanted: Numbers, sent: FloatArray, changes: dict[str, float]) -> Verdict:
    change = float(np.abs(wanted - sent).max())
    return Verdict(kind="clipped", reason=" and ".join(changes), clipped_by=change, changes=changes)
