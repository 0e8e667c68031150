"""What an episode is before it is run, and how its world's facts are judged."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

Facts = Mapping[str, bool | float | str]
_WORLD = 0


@dataclass(frozen=True, kw_only=True)
class Episode:
    """One episode before it is run.

    `is_met`, `needed` and `is_reached` judge by the world's facts, which no brain sees. `needed`
    is asked once, of the facts at the start: which subtasks the goal takes from there, in order.
    """

    index: int
    seed: int
    goal: str
    start: Mapping[str, object]
    is_met: Callable[[Facts], bool]
    needed: Callable[[Facts], list[str]]
    is_reached: Callable[[str, Facts], bool]


def world_seed(seed: int, index: int) -> int:
    """The seed of one episode's world, from the evaluation's: stable, and unlike its neighbours."""
    return int(np.random.SeedSequence([seed, index, _WORLD]).generate_state(1)[0])
