"""Still pictures of scenes that nobody played: as the planner meets them when a goal arrives.

A demonstration shows one cube position for half a minute; a planner's first look at a scene must be
right for every one. A still costs a hundredth of a demonstration.
"""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from typing import Any

import numpy as np

from agent.demos.dataset import encode_image
from agent.worlds.scene.tasks import FIVE_STEP_CHAIN, SceneGoal, next_subtask, sample_goal
from fast_brain.robots.scene_camera import GlCamera
from fast_brain.robots.scene_facts import DRAWER_OPEN_M, SKILLS, WINDOW_OPEN_M, SceneFacts, holds
from fast_brain.robots.scene_physics import ScenePhysics

# How often: the cube lies in the drawer; drawer or window stand between their end stops; the goal
# is the chain; nothing is under way yet; what is under way has just been brought about.
_HIDDEN_CUBE_SHARE = 0.3
_HALF_OPEN_SHARE = 0.3
_CHAIN_SHARE = 0.4
_NOTHING_YET_SHARE = 0.4
_ACHIEVED_SHARE = 0.75
_AT_HOME_SHARE = 0.3


def stills(count: int, seed: int) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield ``count`` rows as a demonstration's, each with its story's description.

    Args:
        count: How many pictures to take.
        seed: Fixes them all.

    Raises:
        RenderUnavailableError: There is no OpenGL to take the pictures with.
    """
    physics = ScenePhysics()
    with closing(GlCamera(physics.model)) as camera:
        for number in range(count):
            random = np.random.default_rng([seed, number])
            _arrange(physics, random)
            facts = physics.facts()
            goal = FIVE_STEP_CHAIN if random.random() < _CHAIN_SHARE else sample_goal(random)
            row = {
                "observation.images.front": encode_image(camera.take(physics.data, "front")),
                "observation.state": physics.gripper_pose().tolist(),
                "subtask": _under_way(goal, facts, random),
                "finished": [s for s in SKILLS if holds(s, facts) and random.random() < 1 / 3],
                "facts": json.dumps(asdict(facts)),
                "frame_index": number,
            }
            yield row, {"goal": asdict(goal)}


def _arrange(physics: ScenePhysics, random: np.random.Generator) -> None:
    start: dict[str, Any] = {"arm_at_home": random.random() < _AT_HOME_SHARE}
    for name, open_m in (("drawer_m", DRAWER_OPEN_M), ("window_m", WINDOW_OPEN_M)):
        if random.random() < _HALF_OPEN_SHARE:
            start[name] = float(random.uniform(0, 1)) * open_m
    physics.reset(int(random.integers(2**31)), **start)
    if random.random() < _HIDDEN_CUBE_SHARE:
        physics.hide_cube()
    # The picture needs the poses that follow from the joints.
    physics.forward()


def _under_way(goal: SceneGoal, facts: SceneFacts, random: np.random.Generator) -> str | None:
    if random.random() < _NOTHING_YET_SHARE:
        return None
    achieved = [skill for skill in SKILLS if holds(skill, facts)]
    if achieved and random.random() < _ACHIEVED_SHARE:
        return str(random.choice(achieved))
    return next_subtask(goal, facts)
