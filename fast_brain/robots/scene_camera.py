"""The scene's cameras: drawn by OpenGL where there is one, else traced ray by ray."""

import os
import sys
from typing import Literal, Protocol

import mujoco
import structlog
from mujoco.rendering.classic import gl_context

from bridge import ImageArray, RenderUnavailableError
from fast_brain.robots.scene_model import CAMERA_BY_NAME
from fast_brain.robots.scene_opengl import HOW_TO_GET_OPENGL, opengl_trouble
from fast_brain.robots.scene_ray_camera import RayCamera

IMAGE_SIZE_PX = 96
CameraKind = Literal["auto", "opengl", "raycast"]
# A test or an operator may force one kind for robots that ask for "auto".
CAMERA_VARIABLE = "TANDEM_SCENE_CAMERA"
_log = structlog.get_logger(__name__)


class SceneCamera(Protocol):
    """Takes pictures of a simulation state; used by the one thread that made it."""

    kind: str

    def take(self, data: mujoco.MjData, name: str) -> ImageArray:
        """Return the picture of camera `name` ("front", "wrist"), read-only uint8 [H, W, 3]."""
        ...

    def close(self) -> None:
        """Free the renderer."""
        ...


class GlCamera:
    """Pictures by MuJoCo's OpenGL renderer (EGL where there is no screen).

    An OpenGL context belongs to one thread: make, use and close it there.
    """

    kind = "opengl"

    def __init__(self, model: mujoco.MjModel, size_px: int = IMAGE_SIZE_PX) -> None:
        """Make the context.

        Raises:
            RenderUnavailableError: There is no OpenGL here.
        """
        model.vis.global_.offwidth = max(model.vis.global_.offwidth, size_px)
        model.vis.global_.offheight = max(model.vis.global_.offheight, size_px)
        try:
            _prefer_egl()
            self._renderer = _make_renderer(model, size_px)
        # PyOpenGL fails with AttributeError, MuJoCo with ImportError, RuntimeError or FatalError.
        except Exception as error:
            raise RenderUnavailableError(
                backend="OpenGL", cause=error, what_to_do=HOW_TO_GET_OPENGL
            ) from error

    def take(self, data: mujoco.MjData, name: str) -> ImageArray:
        """Return the picture of camera `name` as read-only uint8 [H, W, 3]."""
        self._renderer.update_scene(data, camera=CAMERA_BY_NAME[name])
        image = self._renderer.render()
        image.setflags(write=False)
        return image

    def close(self) -> None:
        """Free the OpenGL context."""
        self._renderer.close()


def make_camera(
    model: mujoco.MjModel, kind: CameraKind = "auto", size_px: int = IMAGE_SIZE_PX
) -> SceneCamera:
    """Make the best camera that works here, and log which one it is.

    Args:
        model: The compiled scene.
        kind: "auto" takes OpenGL if it draws in a process of its own first, so that a driver that
            crashes does not take the robot with it; else ray casting.
        size_px: Width and height of the pictures [px].

    Raises:
        RenderUnavailableError: "opengl" was asked for by name and is not there.
    """
    chosen = choose_camera_kind(kind)
    camera = RayCamera(model, size_px) if chosen == "raycast" else GlCamera(model, size_px)
    _log.info("scene_camera.ready", kind=camera.kind, asked_for=kind, size_px=size_px)
    return camera


def choose_camera_kind(kind: CameraKind = "auto") -> Literal["opengl", "raycast"]:
    """Settle what "auto" means on this machine; a name that was asked for stays.

    Raises:
        RenderUnavailableError: The environment variable names a camera that does not exist.
    """
    wanted = os.environ.get(CAMERA_VARIABLE, "auto") if kind == "auto" else kind
    if wanted in ("opengl", "raycast"):
        return wanted
    if wanted != "auto":
        raise RenderUnavailableError(
            backend=wanted,
            cause=f"{CAMERA_VARIABLE} names no camera",
            what_to_do="It may be auto, opengl or raycast.",
        )
    trouble = opengl_trouble()
    if trouble:
        _log.warning("scene_camera.no_opengl", trouble=trouble, what_to_do=HOW_TO_GET_OPENGL)
        return "raycast"
    return "opengl"


def draw_nothing() -> None:
    """Make an OpenGL context and draw an empty world: the probe's whole work.

    Raises:
        RenderUnavailableError: There is no OpenGL here.
    """
    model = mujoco.MjModel.from_xml_string(
        "<mujoco><worldbody><camera name='front_pixels'/></worldbody></mujoco>"
    )
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    camera = GlCamera(model, 8)
    camera.take(data, "front")
    camera.close()


def _make_renderer(model: mujoco.MjModel, size_px: int) -> mujoco.Renderer:
    # Without a context class MuJoCo would draw into nothing, and take the process with it.
    if not hasattr(gl_context, "GLContext"):
        raise ImportError(f"OpenGL is switched off (MUJOCO_GL={os.environ.get('MUJOCO_GL')})")
    return mujoco.Renderer(model, size_px, size_px)


def _prefer_egl() -> None:
    """Use EGL where there is no screen, even if MuJoCo was imported before we could choose.

    Else it would depend on the order of imports which camera the robot gets.
    """
    is_chosen = os.environ.get("MUJOCO_GL", "egl") != "egl" or os.environ.get("DISPLAY")
    if is_chosen or sys.platform != "linux":
        return
    from mujoco.egl import GLContext

    gl_context.GLContext = GLContext
