"""What a robot is sent while it is held: it is defined for each robot, and never its last speed."""

import numpy as np
from msgspec.structs import replace

from bridge.messages import Hold, HoldReason
from fast_brain.safety import SafetyFilter


class Holder:
    """Puts into a hold what brings this robot to rest.

    A robot that takes targets is braked along the safety filter's own plan, and then left alone at
    the last of them. One with a `rest_action`, such as zeros for deltas and torques, is led to it
    within its limits, and sent it again each tick. A robot that was stopped by itself, by an
    emergency stop, is sent nothing.
    """

    def __init__(self, safety: SafetyFilter, rest_action: tuple[float, ...] | None) -> None:
        self._safety = safety
        self._rest = None if rest_action is None else np.array(rest_action, np.float32)

    def hold(self, hold: Hold) -> Hold:
        """The hold with its action, if it needs one; called once a tick."""
        if hold.reason is HoldReason.STOPPED:
            self._safety.halt()
            return hold
        if self._rest is not None:
            return replace(hold, action=self._safety.filter(self._rest).action)
        action = self._safety.brake()
        return hold if action is None else replace(hold, action=action)
