"""Episodes of the simulated scene: the five-step chain, and each skill alone."""

from collections.abc import Mapping
from dataclasses import asdict

import numpy as np

from agent.evaluation.episodes import Episode, Facts, world_seed
from agent.worlds.scene.language import sample_phrasing
from agent.worlds.scene.tasks import FIVE_STEP_CHAIN, SceneGoal, remaining_subtasks
from fast_brain.robots.scene_facts import DRAWER_OPEN_M, WINDOW_OPEN_M, SceneFacts, holds

_PHRASING = 1
_CHAIN_START = {"drawer_m": 0.0, "drawer_locked": True}
# Each skill as a goal, and a start from which that skill is the only thing to do.
SINGLE_SKILLS: tuple[tuple[SceneGoal, Mapping[str, object]], ...] = (
    (SceneGoal(drawer_locked=False), {"drawer_m": 0.0, "drawer_locked": True}),
    (SceneGoal(drawer_locked=True), {"drawer_m": 0.0, "drawer_locked": False}),
    (SceneGoal(window_locked=False), {"window_m": 0.0, "window_locked": True}),
    (SceneGoal(window_locked=True), {"window_m": 0.0, "window_locked": False}),
    (SceneGoal(drawer="open"), {"drawer_m": 0.0, "drawer_locked": False}),
    (SceneGoal(drawer="closed"), {"drawer_m": DRAWER_OPEN_M, "drawer_locked": False}),
    (SceneGoal(window="open"), {"window_m": 0.0, "window_locked": False}),
    (SceneGoal(window="closed"), {"window_m": WINDOW_OPEN_M, "window_locked": False}),
    (SceneGoal(cube_in_drawer=True), {"drawer_m": DRAWER_OPEN_M, "drawer_locked": False}),
)


def chain_episode(seed: int, index: int) -> Episode:
    """All five steps from a closed and locked drawer, the cube on the table."""
    return _episode(seed, index, FIVE_STEP_CHAIN, _CHAIN_START)


def single_episode(seed: int, index: int) -> Episode:
    """One skill; they take turns by the index."""
    return _episode(seed, index, *SINGLE_SKILLS[index % len(SINGLE_SKILLS)])


def _episode(seed: int, index: int, goal: SceneGoal, start: Mapping[str, object]) -> Episode:
    random = np.random.default_rng([seed, index, _PHRASING])
    return Episode(
        index=index,
        seed=world_seed(seed, index),
        goal=sample_phrasing(goal, random, held_out=True),
        start=start,
        is_met=lambda facts: goal.is_met(_scene_facts(facts)),
        needed=lambda facts: remaining_subtasks(goal, _scene_facts(facts)),
        is_reached=lambda skill, facts: holds(skill, _scene_facts(facts)),
        symbols={"goal": asdict(goal)},
    )


def _scene_facts(facts: Facts) -> SceneFacts:
    return SceneFacts(
        drawer=str(facts["drawer"]),
        drawer_locked=bool(facts["drawer_locked"]),
        window=str(facts["window"]),
        window_locked=bool(facts["window_locked"]),
        cube_in_drawer=bool(facts["cube_in_drawer"]),
        cube_held=bool(facts["cube_held"]),
    )
