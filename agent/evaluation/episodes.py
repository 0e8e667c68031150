"""What an episode, and a suite of them, is before it is run, and how a world's facts are judged."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

Facts = Mapping[str, bool | float | str]
# How long an episode may take, where its suite says nothing else [s of the simulation].
EPISODE_LIMIT_S = 120.0
_WORLD = 0


def _never(facts: Facts) -> str:  # noqa: ARG001  # Most goals can be met as long as there is time.
    return ""


@dataclass(frozen=True, kw_only=True)
class Episode:
    """One episode before it is run.

    `is_met`, `needed` and `is_reached` judge by the world's facts, which no brain sees. `needed`
    is asked once, of the facts at the start: which subtasks the goal takes from there, in order.

    `spoiled` says what has happened after which the goal cannot be met any more; "" is nothing.

    `symbols` is the goal as data, for planners that are there to compare with; no other is told.
    """

    index: int
    seed: int
    goal: str
    start: Mapping[str, object]
    is_met: Callable[[Facts], bool]
    needed: Callable[[Facts], list[str]]
    is_reached: Callable[[str, Facts], bool]
    spoiled: Callable[[Facts], str] = _never
    symbols: Mapping[str, object] = field(default_factory=dict[str, object])


@dataclass(frozen=True, kw_only=True)
class Suite:
    """A named kind of episode, of one kind of robot; `make` takes the evaluation's seed and index.

    `robot_options` are laid over the preset's, so that episodes do not get in each other's way.
    Time is up after `limit_s` of the simulation.
    """

    name: str
    what: str
    robot_kind: str
    preset: str
    make: Callable[[int, int], Episode]
    robot_options: Mapping[str, object] = field(default_factory=dict[str, object])
    limit_s: float = EPISODE_LIMIT_S


def world_seed(seed: int, index: int) -> int:
    """The seed of one episode's world, from the evaluation's: stable, and unlike its neighbours."""
    return int(np.random.SeedSequence([seed, index, _WORLD]).generate_state(1)[0])
