"""Filter: a gripper that feels enough force closes no further.

Its range and speed are bounds and speeds like any other; this is what only a gripper has.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from bridge.arrays import AnyArray
from bridge.specs import ActionSpec, GripperLimit

Numbers = npt.NDArray[np.float64]


class GripperForce:
    """Keeps the closing where it is while the force reading is at or above the limit.

    Opening is always allowed. A reading that is missing or not finite counts as too much: whoever
    cannot feel does not squeeze.
    """

    def __init__(self, spec: ActionSpec, limit: GripperLimit) -> None:
        self._limit = limit
        self._index = spec.names.index(limit.dimension)
        self._is_delta = spec.mode == "delta"
        self._is_too_much = False

    def feel(self, proprioception: Mapping[str, AnyArray]) -> None:
        """Take note of the newest readings."""
        reading = proprioception.get(self._limit.force_reading)
        force = float(np.max(reading)) if reading is not None and reading.size else np.nan
        # Written so that nan is too much.
        self._is_too_much = not force < self._limit.max_force

    def clip(self, wanted: Numbers, current: Numbers | None) -> Numbers:
        """What may be asked for, given the target [A] it has now."""
        if not self._is_too_much or (current is None and not self._is_delta):
            return wanted
        index, now = self._index, 0.0
        if current is not None and not self._is_delta:
            now = float(current[index])
        eased = min(wanted[index], now) if self._limit.closes_upward else max(wanted[index], now)
        if eased == wanted[index]:
            return wanted
        clipped = wanted.copy()
        clipped[index] = eased
        return clipped
