"""From a plan that keeps the limits towards one that may not: as far as all limits allow.

Positions, speeds, accelerations and jerks are all linear in a plan, so between two plans the
limits are met up to a share that a division tells: the least, over all rows, of the room that is
left and the way that would be gone.
"""

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
# A way below this goes nowhere [ticks' units]; squares of it would be no numbers any more.
_NO_WAY = 1e-24


class PlanBlender:
    """Plans as matrices [K, R, 3], and room to work in; allocates next to nothing per call."""

    def __init__(self, plans: Numbers, width: int) -> None:
        self._plans = plans
        shape = (*plans.shape[:2], width)
        self._wishes, self._way, self._shares = np.empty((3, *shape))
        self._goes = np.empty(shape, np.bool_)
        self._up, self._down = np.empty((2, *shape[1:]))

    def blend(
        self, stop: Numbers, state: Numbers, low: Numbers, high: Numbers, row: int
    ) -> Numbers:
        """The plan [R, A] that in its row `row` comes nearest to the first row of the state.

        Args:
            stop: The plan that is inside the limits [R, A].
            state: Distance, speed and acceleration [3, A], which the wishes are made from.
            low: Least value of each row [R, A].
            high: Greatest value of each row [R, A].
            row: Which row says what is sent.
        """
        np.matmul(self._plans, state, out=self._wishes)
        share = self._shares_allowed(stop, low, high)
        sent = stop[row] + share * self._way[:, row]
        nearest = np.abs(sent - state[0]).argmin(axis=0)
        dimensions = np.arange(nearest.size)
        wish, allowed = self._wishes[nearest, :, dimensions].T, share[nearest, dimensions]
        # The wish itself where all of it is allowed: the sum would be off by its rounding.
        return np.where(allowed == 1.0, wish, stop + allowed * (wish - stop))

    def _shares_allowed(self, stop: Numbers, low: Numbers, high: Numbers) -> Numbers:
        """For each dimension of each wish the largest share that stays inside [K, A]."""
        way, goes = self._way, self._goes
        np.subtract(self._wishes, stop, out=way)
        np.subtract(high, stop, out=self._up)
        np.subtract(low, stop, out=self._down)
        np.greater(way, _NO_WAY, out=goes)
        self._shares.fill(1.0)
        np.divide(self._up, way, out=self._shares, where=goes)
        np.less(way, -_NO_WAY, out=goes)
        np.divide(self._down, way, out=self._shares, where=goes)
        return np.clip(self._shares.min(axis=1), 0.0, 1.0)
