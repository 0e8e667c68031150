"""Filter: speed, acceleration and jerk, so that there is always room left to stop.

In every tick a plan is kept that comes to rest within all limits. A new action is let through when
such a plan can follow it; else the filter goes as far from its present plan towards what was asked
as the limits allow. All limits are linear in a plan and the present plan keeps them, so how far is
a division, not a search, and there always is an answer: it is never worse than to stop.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bridge.arrays import AnyArray
from bridge.specs import ActionSpec
from fast_brain.safety.blending import PlanBlender
from fast_brain.safety.bounds import Bounds
from fast_brain.safety.stop_plans import (
    MotionLimits,
    extreme_rows,
    fastest_stop_ticks,
    horizon_ticks,
    plans_through,
    plans_to,
)

Numbers = npt.NDArray[np.float64]
# Rounding as a share of a limit; below `_STILL` a speed or a distance is none [ticks' units].
_ROUNDING, _STILL = 1e-9, 1e-12
# A wish is followed while it is no farther than this multiple of what it moves itself in a tick,
# and one tick's jerk for its beginning; a farther one is led to rest there, not to shoot past.
_FOLLOWING = 2.0
# Changes below this share are rounding to float32, not news.
_NEWS = 1e-6


class Limited(NamedTuple):
    """The action to send [A], and by how much which limit changed it [action unit]."""

    action: Numbers
    changes: dict[str, float]


class MotionFilter:
    """Follows what is asked for within a robot's limits; its state is the target sent last.

    A wish that stands still is approached without going past it, but for what one tick's jerk
    adds up to. One that moves is followed exactly where the limits allow, and else with a lag of
    about the way that stopping takes.

    Args:
        spec: The limits [A]; an acceleration or jerk that is waived is unlimited.
        rate_hz: Ticks a second [Hz].
        bounds: Where positions may be [A], or how large "delta" actions.
    """

    def __init__(self, spec: ActionSpec, rate_hz: float, bounds: Bounds) -> None:
        self._is_delta = spec.mode == "delta"
        self._limits = limits_per_tick(spec, rate_hz)
        self._bounds = bounds
        self._horizon = horizon_ticks(self._limits)
        self._through = plans_through(self._horizon)
        led = self._through if self._is_delta else plans_to(self._horizon)
        self._blender = PlanBlender(led, spec.width)
        self._corners, counts = extreme_rows(self._through)
        self._places = counts[0]
        self._corner_low, self._corner_high = self._limits_of_rows(counts)
        self._low, self._high = self._limits_of_rows((self._horizon,) * 4)
        self._still = np.zeros((4 * self._horizon, spec.width))
        self._position: Numbers | None = np.zeros(spec.width) if self._is_delta else None
        self._rest()

    @property
    def horizon(self) -> int:
        """How many ticks the plans look ahead."""
        return self._horizon

    @property
    def fastest_stop(self) -> float:
        """How many ticks a stop from full speed takes at least."""
        return fastest_stop_ticks(self._limits)

    @property
    def position(self) -> Numbers | None:
        """The target it was sent last [A]; None before the first. Of no meaning for "delta"."""
        return self._position

    @property
    def is_at_rest(self) -> bool:
        """Whether the last tick did not move and there is nothing to brake."""
        return self._is_still

    def start_from(self, position: AnyArray) -> None:
        """Count from a target at rest [A], even outside the bounds; "delta" actions only rest."""
        if not self._is_delta:
            self._position = position.astype(np.float64)
        self._rest()

    def follow(self, wanted: Numbers) -> Limited:
        """Go one tick towards an action [A] that is inside the bounds."""
        here = self._position
        if here is None:
            # Nothing is known to count from: the first target is taken for where it stands.
            self.start_from(wanted)
            return Limited(wanted, {})
        distance = wanted if self._is_delta else wanted - here
        self._note_wish(wanted)
        if self._is_still and np.abs(distance).max() <= _STILL:
            return Limited(wanted, {})
        state = np.stack([distance, self._speed, self._change])
        kinds = self._stops_that_fit(state, here)
        if (kinds >= 0).all():
            self._follow_exactly(kinds, state, here)
            return Limited(self._sent(), {})
        plan = self._lead(kinds, state, here)
        changes = self._changes(state, plan[0], wanted)
        self._take(plan, here)
        return Limited(self._sent(), changes)

    def brake(self) -> Numbers:
        """Go one tick along the plan that comes to rest; the action to send [A].

        Raises:
            ValueError: Nothing was sent yet, so there is nothing to brake.
        """
        here = self._position
        if here is None:
            raise ValueError("Nothing was sent yet, so there is nothing to brake.")
        self._wish = None
        self._take(self._plan(), here)
        return self._sent()

    def _sent(self) -> Numbers:
        return self._speed if self._is_delta or self._position is None else self._position

    def _rest(self) -> None:
        self._speed = np.zeros(self._still.shape[1])
        self._change = np.zeros(self._still.shape[1])
        self._stop = self._still
        self._exact: tuple[npt.NDArray[np.intp], Numbers] | None = None
        self._wish: Numbers | None = None
        self._moves = np.zeros((2, self._still.shape[1]))
        self._is_still = True

    def _note_wish(self, wanted: Numbers) -> None:
        """Remember how the wish itself moves: only what lasts two ticks is no jump."""
        self._moves[0] = self._moves[1]
        self._moves[1] = 0.0 if self._wish is None else wanted - self._wish
        self._wish = wanted

    def _stops_that_fit(self, state: Numbers, here: Numbers) -> npt.NDArray[np.intp]:
        """Of each dimension the stop that can follow the action sent as it is [A]; -1 for none."""
        distance = state[0]
        change = distance - self._speed
        values = self._corners @ np.stack([distance, change])
        self._set_room(self._corner_low, self._corner_high, self._places, here)
        fits = ((values <= self._corner_high) & (values >= self._corner_low)).all(axis=1)
        # What was sent once, rounding included, may be asked for again.
        jerk = self._limits.jerk * (1 + 10 * _ROUNDING)
        may = np.abs(change - self._change) <= jerk
        if not self._is_delta:
            before, now = self._moves
            moving = np.where(before * now > 0, np.minimum(np.abs(before), np.abs(now)), 0.0)
            may &= np.abs(distance) <= _FOLLOWING * moving + jerk
        return np.where(fits.any(axis=0) & may, fits.argmax(axis=0), -1)

    def _follow_exactly(self, kinds: npt.NDArray[np.intp], state: Numbers, here: Numbers) -> None:
        """Send what was asked for; the plan to stop is worked out only if it is needed."""
        self._exact = (kinds, state)
        self._change = state[0] - self._speed
        self._speed = state[0]
        if not self._is_delta:
            self._position = here + state[0]
        self._is_still = bool(np.abs([self._speed, self._change]).max() <= _STILL)

    def _lead(self, kinds: npt.NDArray[np.intp], state: Numbers, here: Numbers) -> Numbers:
        """A plan [4 H, A] from the present one towards the wish, as far as the limits allow.

        Of several such plans it takes the one that is nearest to the wish after this tick.
        """
        horizon, stop = self._horizon, self._plan()
        self._set_room(self._low, self._high, horizon, here)
        if not self._is_delta:
            self._forbid_detours(stop, state[0])
        row = horizon if self._is_delta else 0
        led = self._blender.blend(stop, state, self._low, self._high, row)
        if (kinds < 0).all():
            return led
        return np.where(kinds >= 0, self._exactly(kinds, state), led)

    def _forbid_detours(self, stop: Numbers, goal: Numbers) -> None:
        """Keep a plan from going past both the goal and where stopping leads."""
        places = slice(0, self._horizon)
        path = np.concatenate([stop[places], goal[None]])
        np.maximum(self._low[places], path.min(axis=0), out=self._low[places])
        np.minimum(self._high[places], path.max(axis=0), out=self._high[places])

    def _plan(self) -> Numbers:
        """The plan [4 H, A] that comes to rest from now on."""
        if self._exact is not None:
            self._stop, self._exact = _after_a_tick(self._exactly(*self._exact)), None
        return self._stop

    def _exactly(self, kinds: npt.NDArray[np.intp], state: Numbers) -> Numbers:
        return np.matmul(self._through[kinds], state.T[:, :, None])[:, :, 0].T

    def _take(self, plan: Numbers, here: Numbers) -> None:
        horizon = self._horizon
        self._speed = plan[horizon].copy()
        self._change = plan[2 * horizon].copy()
        self._stop, self._exact = _after_a_tick(plan), None
        if not self._is_delta:
            self._position = here + plan[0]
        self._is_still = bool(np.abs(self._stop).max() <= _STILL and not self._is_moving())
        if self._is_still:
            self._stop = self._still

    def _is_moving(self) -> bool:
        return bool(np.abs([self._speed, self._change]).max() > _STILL)

    def _set_room(self, low: Numbers, high: Numbers, rows: int, here: Numbers) -> None:
        """How far it may go each way; a start outside the bounds may stay there, and come in."""
        if not self._is_delta:
            low[:rows] = np.minimum(self._bounds.low - here, 0.0) - _STILL
            high[:rows] = np.maximum(self._bounds.high - here, 0.0) + _STILL

    def _limits_of_rows(self, counts: tuple[int, ...]) -> tuple[Numbers, Numbers]:
        """Largest and smallest values of the rows [R, A] of a plan; positions are set each tick."""
        slack = 1 + _ROUNDING
        limits = [np.full_like(self._limits.speed, np.inf), *(slack * x for x in self._limits)]
        high = np.concatenate(
            [np.tile(limit, (n, 1)) for limit, n in zip(limits, counts, strict=True)]
        )
        low = -high
        if self._is_delta:
            speeds = slice(counts[0], counts[0] + counts[1])
            low[speeds] = np.maximum(low[speeds], self._bounds.low)
            high[speeds] = np.minimum(high[speeds], self._bounds.high)
        return low, high

    def _changes(self, state: Numbers, step: Numbers, wanted: Numbers) -> dict[str, float]:
        """By how much which limit changed the wish; "stopping" keeps room to stop in."""
        distance, speed, change = state
        missing = np.abs(distance - step)
        is_news = missing > _NEWS * np.maximum(1.0, np.abs(wanted))
        if not is_news.any():
            return {}
        asked = (distance, distance - speed, distance - speed - change)
        over = [
            np.abs(x) > (1 + _NEWS) * limit for x, limit in zip(asked, self._limits, strict=True)
        ]
        over.append(~np.logical_or.reduce(over))
        causes = dict(zip(("speed", "acceleration", "jerk", "stopping"), over, strict=True))
        found = {name: missing[where & is_news] for name, where in causes.items()}
        return {name: float(sizes.max()) for name, sizes in found.items() if sizes.size}


def limits_per_tick(spec: ActionSpec, rate_hz: float) -> MotionLimits:
    """The limits of a spec in units of a tick; what it does not declare is infinite."""
    free = (np.inf,) * spec.width
    speed = np.array(spec.max_speed, np.float64) / rate_hz
    acceleration = np.array(spec.max_acceleration or free, np.float64) / rate_hz**2
    jerk = np.array(spec.max_jerk or free, np.float64) / rate_hz**3
    return MotionLimits(speed, acceleration, jerk)


def _after_a_tick(plan: Numbers) -> Numbers:
    """What is left of a plan [4 H, A] after its first tick, positions from there; rest follows."""
    blocks = plan.reshape(4, -1, plan.shape[1])
    rest = np.zeros_like(blocks)
    rest[:, :-1] = blocks[:, 1:]
    rest[0, -1] = blocks[0, -1]
    rest[0] -= blocks[0, 0]
    return rest.reshape(plan.shape)
