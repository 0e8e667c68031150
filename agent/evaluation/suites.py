"""What can be measured, by name. The same suite, seed and index is the same episode."""

from collections.abc import Callable, Mapping

from agent.evaluation.episodes import Episode, Suite, world_seed
from agent.worlds.scene.memory_tasks_suites import memory_suites
from bridge.errors import UnknownNameError

__all__ = ["Suite", "find_suite", "list_suites", "options_alone"]


def list_suites() -> tuple[Suite, ...]:
    """All suites, by name."""
    return tuple(_SUITES[name] for name in sorted(_SUITES))


def find_suite(name: str) -> Suite:
    """One suite.

    Raises:
        UnknownNameError: There is none of that name.
    """
    if name not in _SUITES:
        raise UnknownNameError(kind="suite", name=name, known=_SUITES)
    return _SUITES[name]


def options_alone(robot_kind: str) -> Mapping[str, object]:
    """Options with which a robot of this kind is in nobody's way, in virtual time."""
    found = (suite.robot_options for suite in list_suites() if suite.robot_kind == robot_kind)
    return next(found, dict[str, object]())


def _scene_chain(seed: int, index: int) -> Episode:
    from agent.evaluation.scene_episodes import chain_episode

    return chain_episode(seed, index)


def _scene_single(seed: int, index: int) -> Episode:
    from agent.evaluation.scene_episodes import single_episode

    return single_episode(seed, index)


def _point_reach(seed: int, index: int) -> Episode:
    """A place of the point arm; shows the harness without trained brains."""
    goal = ("reach left", "reach right")[index % 2]
    return Episode(
        index=index,
        seed=world_seed(seed, index),
        goal=goal,
        start={},
        is_met=lambda facts: bool(facts[goal]),
        needed=lambda facts: [] if facts[goal] else [goal],
        is_reached=lambda skill, facts: bool(facts[skill]),
    )


def _scene(name: str, what: str, make: Callable[[int, int], Episode]) -> Suite:
    # A robot's name is a lock; without one, any number of worlds run side by side.
    alone = {"robot_name": None, "render_thread": False, "states_path": ""}
    return Suite(
        name=name,
        what=what,
        robot_kind="ogbench_scene",
        preset="demo",
        make=make,
        robot_options=alone,
    )


_ALL = (
    _scene(
        "scene-chain",
        "five steps in a row: unlock and open the drawer, store the cube, close, lock",
        _scene_chain,
    ),
    _scene("scene-single", "each skill of the scene alone, in turn", _scene_single),
    Suite(
        name="point-reach",
        what="the point arm reaches left and right; needs no trained brains",
        robot_kind="point_arm",
        preset="point_arm",
        make=_point_reach,
    ),
    *memory_suites(),
)
_SUITES = {suite.name: suite for suite in _ALL}
