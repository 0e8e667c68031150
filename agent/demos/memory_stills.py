"""Still pictures for memory tasks: the cube at each spot, lights on and off, nobody at work."""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from typing import Any

import numpy as np

from agent.demos.dataset import encode_image
from agent.worlds.scene.memory_tasks import BUTTONS, SPOTS
from agent.worlds.scene.memory_tasks_expert import memory_facts
from fast_brain.robots.scene_camera import GlCamera
from fast_brain.robots.scene_cues import Cue, CueLights
from fast_brain.robots.scene_facts import DRAWER_OPEN_M, WINDOW_OPEN_M
from fast_brain.robots.scene_physics import ScenePhysics

# How often: the cube lies at a spot; it is out of sight; a button is lit; the arm waits.
_AT_SPOT_SHARE, _HIDDEN_CUBE_SHARE, _LIT_SHARE, _AT_HOME_SHARE = 0.75, 0.1, 0.35, 0.5
_JITTER_M = 0.02


def memory_stills(count: int, seed: int) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield ``count`` rows as a demonstration's, each with its story's description.

    Args:
        count: How many pictures to take.
        seed: Fixes them all.

    Raises:
        RenderUnavailableError: There is no OpenGL to take the pictures with.
    """
    if count == 0:
        return
    physics = ScenePhysics()
    with closing(GlCamera(physics.model)) as camera:
        for number in range(count):
            random = np.random.default_rng([seed, number, len(SPOTS)])
            lit = _arrange(physics, random)
            facts = memory_facts(physics, lit)
            told = asdict(physics.facts()) | {"cube_spot": facts.cube_spot, "lit": lit}
            yield (
                {
                    "observation.images.front": encode_image(camera.take(physics.data, "front")),
                    "observation.state": physics.gripper_pose().tolist(),
                    "subtask": None,
                    "finished": [],
                    "facts": json.dumps(told),
                    "frame_index": number,
                },
                {},
            )


def _arrange(physics: ScenePhysics, random: np.random.Generator) -> str:
    """Place everything; which button is lit, "" for none."""
    start: dict[str, Any] = {
        "arm_at_home": random.random() < _AT_HOME_SHARE,
        "drawer_m": DRAWER_OPEN_M * int(random.integers(2)),
        "window_m": WINDOW_OPEN_M * int(random.integers(2)),
    }
    if random.random() < _AT_SPOT_SHARE:
        spot = list(SPOTS.values())[int(random.integers(len(SPOTS)))]
        start["cube_xy_m"] = (random.uniform(-_JITTER_M, _JITTER_M, 2) + spot).tolist()
    physics.reset(int(random.integers(2**31)), **start)
    if random.random() < _HIDDEN_CUBE_SHARE:
        physics.hide_cube()
    lit = str(random.choice(BUTTONS)) if random.random() < _LIT_SHARE else ""
    CueLights(physics, [Cue(0.0, lit)] if lit else []).show()
    # The picture needs the poses that follow from the joints.
    physics.forward()
    return lit
