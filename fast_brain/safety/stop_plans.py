"""Plans that end at rest, as matrices: made once, so that a tick only multiplies.

Everything is counted in ticks: a speed is a distance a tick, an acceleration a change of it, a
jerk a change of that. A plan of H ticks of one dimension is four blocks of H numbers: positions
from here, speeds, accelerations, jerks. Each is linear in where the dimension is now, so a plan is
a matrix. Jerks are those of the least sum of squares that reach the end, which makes the positions
a cubic in the limit of small steps: the discrete kin of the minimum-jerk point-to-point motion of
Flash and Hogan 1985 (doi:10.1523/JNEUROSCI.05-07-01688.1985).
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
# How much longer the plan is than the fastest stop: below 1.6 the full speed is not reached, and
# above 2.2 nothing is gained (measured over limits of arms, benchmarks/safety_filter.py).
_LEISURE = 2.0
_SHORTEST_TICKS, _LONGEST_TICKS = 6, 256
# How many lengths are tried, spread evenly on a logarithmic scale; fewer where each costs much.
_LENGTHS, _LENGTHS_OF_LONG_PLANS, _LONG_TICKS = 5, 3, 64


class MotionLimits(NamedTuple):
    """Largest speed, acceleration and jerk [A] of a tick; a waived one is infinite."""

    speed: Numbers
    acceleration: Numbers
    jerk: Numbers


def fastest_stop_ticks(limits: MotionLimits) -> float:
    """How many ticks a stop from full speed takes: its ramp of speed and one of acceleration."""
    with np.errstate(invalid="ignore"):
        jerking = np.nan_to_num(limits.acceleration / limits.jerk)
    return float((limits.speed / limits.acceleration + jerking).max())


def horizon_ticks(limits: MotionLimits) -> int:
    """How many ticks H a plan looks ahead: time to stop from full speed, with leisure.

    Where 256 are too few (weak limits at a high rate) the robot stays slower than its limit,
    because it only goes as fast as it can stop within the plan.
    """
    ticks = np.ceil(_LEISURE * fastest_stop_ticks(limits)) + 2
    return int(np.clip(ticks, _SHORTEST_TICKS, _LONGEST_TICKS))


def plans_through(horizon: int) -> Numbers:
    """Plans that reach a point in one tick and then stop as fast as 2 to H-1 ticks allow.

    Returns:
        [K, 4 H, 3] for K lengths, from (the distance to the point, speed, acceleration).
    """
    return np.stack([_through(ticks, horizon) for ticks in _lengths(2, horizon - 1)])


def plans_to(horizon: int) -> Numbers:
    """Plans that come to rest at a point after 3 to H ticks, and after 1 if H is not long.

    Returns:
        [K, 4 H, 3] for K lengths, from (the distance to the point, speed, acceleration).
    """
    at_once = (1,) if horizon <= _LONG_TICKS else ()
    return np.stack([_to(ticks, horizon) for ticks in (*at_once, *_lengths(3, horizon))])


def extreme_rows(plans: Numbers) -> tuple[Numbers, tuple[int, int, int, int]]:
    """The rows of `plans_through` that can be the largest or the smallest of their block.

    The others lie between them, whatever the plan is multiplied with, so need not be checked. But
    for the first jerk, which is left out, a plan depends on two numbers alone.

    Returns:
        [K, R, 2], from (the distance to the point, the acceleration that it takes), and how many
        of the R rows belong to each of the four blocks.
    """
    horizon = plans.shape[1] // 4
    # distance, and distance - speed, in place of distance and speed.
    rows = np.stack([plans[..., 0] + plans[..., 1], -plans[..., 1]], axis=-1)
    rows[:, 3 * horizon] = 0.0
    blocks = [[_hull(plan[i * horizon : (i + 1) * horizon]) for plan in rows] for i in range(4)]
    counts = [max(len(corners) for corners in block) for block in blocks]
    # The first row again, where a plan has fewer corners than another: all are as many.
    padded = [
        np.stack([np.concatenate([c, c[:1].repeat(count - len(c), 0)]) for c in block])
        for block, count in zip(blocks, counts, strict=True)
    ]
    return np.concatenate(padded, axis=1), (counts[0], counts[1], counts[2], counts[3])


def _through(ticks: int, horizon: int) -> Numbers:
    jerk = np.zeros((horizon, 3))
    jerk[0] = [1.0, -1.0, -1.0]
    to_go = np.arange(ticks, 0, -1)
    # After `ticks` more ticks both acceleration and speed are to be zero.
    left = np.array([[1.0, -1.0, 0.0], [1.0 + ticks, -float(ticks), 0.0]])
    jerk[1 : ticks + 1] = np.linalg.pinv(np.stack([np.ones(ticks), to_go])) @ -left
    return _blocks(jerk)


def _to(ticks: int, horizon: int) -> Numbers:
    jerk = np.zeros((horizon, 3))
    if ticks == 1:
        jerk[:3] = [[1.0, -1.0, -1.0], [-2.0, 1.0, 0.0], [1.0, 0.0, 0.0]]
    else:
        to_go = np.arange(ticks, 0, -1)
        effects = np.stack([np.ones(ticks), to_go, to_go * (to_go + 1) / 2])
        wanted = [[0.0, 0.0, -1.0], [0.0, -1.0, -ticks], [1.0, -ticks, -ticks * (ticks + 1) / 2]]
        jerk[:ticks] = np.linalg.pinv(effects) @ np.array(wanted)
    return _blocks(jerk)


def _blocks(jerk: Numbers) -> Numbers:
    acceleration = np.cumsum(jerk, 0) + np.array([0.0, 0.0, 1.0])
    speed = np.cumsum(acceleration, 0) + np.array([0.0, 1.0, 0.0])
    return np.concatenate([np.cumsum(speed, 0), speed, acceleration, jerk])


def _lengths(shortest: int, longest: int) -> list[int]:
    count = _LENGTHS if longest <= _LONG_TICKS else _LENGTHS_OF_LONG_PLANS
    spread = np.geomspace(shortest, longest, count)
    return sorted({round(float(length)) for length in spread})


def _hull(points: Numbers) -> Numbers:
    """The corners of the convex hull of points [N, 2], by Andrew's monotone chain."""
    ordered = sorted({(float(x), float(y)) for x, y in points})
    lower, upper = _chain(ordered), _chain(ordered[::-1])
    return np.array(lower[:-1] + upper[:-1] or ordered)


def _chain(ordered: list[tuple[float, float]]) -> list[tuple[float, float]]:
    corners: list[tuple[float, float]] = []
    for point in ordered:
        while len(corners) > 1 and _turn(corners[-2], corners[-1], point) <= 0:
            corners.pop()
        corners.append(point)
    return corners


def _turn(
    first: tuple[float, float], second: tuple[float, float], third: tuple[float, float]
) -> float:
    """Above zero for a turn to the left."""
    (x1, y1), (x2, y2), (x3, y3) = first, second, third
    return (x2 - x1) * (y3 - y1) - (y2 - y1) * (x3 - x1)
