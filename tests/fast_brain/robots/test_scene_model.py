"""The scene's model is compiled once in a process, and yet every scene has its own."""

import mujoco
import numpy as np

from fast_brain.robots import scene_model
from fast_brain.robots.scene_physics import ScenePhysics


def as_bytes(model: mujoco.MjModel) -> bytes:
    """All that a model consists of."""
    buffer = np.empty(mujoco.mj_sizeModel(model), np.uint8)
    mujoco.mj_saveModel(model, buffer=buffer)
    return buffer.tobytes()


def test_a_second_scene_is_like_the_first_and_apart_from_it() -> None:
    """A copied model equals a compiled one, and what is changed in it changes no other."""
    scene_model._COMPILED.clear()
    compiled, copied = ScenePhysics(), ScenePhysics()
    assert len(scene_model._COMPILED) == 1
    assert as_bytes(copied.model) == as_bytes(compiled.model)
    compiled.model.geom_rgba[:] = 0.5
    assert as_bytes(copied.model) == as_bytes(ScenePhysics().model)
    assert as_bytes(copied.model) != as_bytes(compiled.model)
