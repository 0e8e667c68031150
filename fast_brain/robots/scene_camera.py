"""The scene's cameras: drawn by OpenGL where there is one, else traced ray by ray."""

import os
from typing import Protocol

import mujoco
import numpy as np

from fast_brain.robots.scene_model import FRONT_CAMERA, WRIST_CAMERA

IMAGE_SIZE_PX = 96
CAMERA_BY_NAME = {"front": FRONT_CAMERA, "wrist": WRIST_CAMERA}


class SceneCamera(Protocol):
    """Takes pictures of a simulation state."""

    kind: str

    def take(self, data: mujoco.MjData, name: str) -> np.ndarray:
        """Return the picture of camera ``name`` as read-only uint8 ``[H, W, 3]``."""
        ...

    def close(self) -> None:
        """Free the renderer."""
        ...


class GlCamera:
    """Pictures by MuJoCo's OpenGL renderer (EGL without a screen)."""

    kind = "opengl"

    def __init__(self, model: mujoco.MjModel, size_px: int = IMAGE_SIZE_PX) -> None:
        model.vis.global_.offwidth = max(model.vis.global_.offwidth, size_px)
        model.vis.global_.offheight = max(model.vis.global_.offheight, size_px)
        self._renderer = mujoco.Renderer(model, size_px, size_px)

    def take(self, data: mujoco.MjData, name: str) -> np.ndarray:
        """Return the picture of camera ``name`` as read-only uint8 ``[H, W, 3]``."""
        self._renderer.update_scene(data, camera=CAMERA_BY_NAME[name])
        image = self._renderer.render()
        image.setflags(write=False)
        return image

    def close(self) -> None:
        """Free the OpenGL context."""
        self._renderer.close()


def choose_gl_backend() -> None:
    """Ask MuJoCo for EGL unless the operator chose; must run before MuJoCo is imported."""
    os.environ.setdefault("MUJOCO_GL", "egl")
