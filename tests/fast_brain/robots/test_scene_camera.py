import sys
from collections.abc import Iterator

import numpy as np
import pytest

from bridge import RenderUnavailableError
from fast_brain.robots import scene_camera, scene_opengl
from fast_brain.robots.scene_camera import (
    CAMERA_VARIABLE,
    GlCamera,
    choose_camera_kind,
    make_camera,
)
from fast_brain.robots.scene_physics import ScenePhysics
from fast_brain.robots.scene_ray_camera import RayCamera

pytestmark = pytest.mark.sim


@pytest.fixture
def opengl(physics: ScenePhysics) -> Iterator[GlCamera]:
    """An OpenGL camera, where there is OpenGL."""
    try:
        camera = GlCamera(physics.model)
    except RenderUnavailableError as error:
        pytest.skip(str(error))
    yield camera
    camera.close()


@pytest.mark.parametrize("name", ["front", "wrist"])
def test_rays_show_the_scene_that_opengl_shows(
    physics: ScenePhysics, opengl: GlCamera, name: str
) -> None:
    """Traced and drawn pictures of one state agree to a few grey levels in most pixels."""
    rays = RayCamera(physics.model, 96)
    drawn = opengl.take(physics.data, name).astype(int)
    traced = rays.take(physics.data, name).astype(int)
    difference = np.abs(drawn - traced).max(axis=2)
    assert np.median(difference) <= 4
    assert difference.mean() < 12


@pytest.mark.parametrize("locked", [True, False])
def test_rays_show_the_locks(physics: ScenePhysics, locked: bool) -> None:  # noqa: FBT001
    """The colour of a lock's button is seen in the traced picture, and follows the lock."""
    camera = RayCamera(physics.model, 96)
    physics.set_locks(drawer=locked, window=False)
    red = _red_pixels(camera.take(physics.data, "front"))
    physics.set_locks(drawer=not locked, window=False)
    other = _red_pixels(camera.take(physics.data, "front"))
    assert (red > other) == locked


def test_pictures_are_read_only(physics: ScenePhysics) -> None:
    """A picture cannot be changed by whoever gets it."""
    image = RayCamera(physics.model, 16).take(physics.data, "front")
    assert image.shape == (16, 16, 3)
    assert image.dtype == np.uint8
    assert not image.flags.writeable


def test_auto_takes_rays_where_opengl_fails(
    physics: ScenePhysics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without OpenGL "auto" gives a ray camera instead of an error."""
    monkeypatch.setattr(scene_camera, "opengl_trouble", lambda: "no driver")
    assert make_camera(physics.model, "auto").kind == "raycast"


def test_the_environment_can_force_rays(monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator may choose the camera without touching a preset."""
    monkeypatch.setenv(CAMERA_VARIABLE, "raycast")
    assert choose_camera_kind("auto") == "raycast"
    assert choose_camera_kind("opengl") == "opengl"


def test_an_unknown_camera_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A camera that does not exist is an error that says which do."""
    monkeypatch.setenv(CAMERA_VARIABLE, "vulkan")
    with pytest.raises(RenderUnavailableError, match="auto, opengl or raycast"):
        choose_camera_kind("auto")


def test_a_driver_that_dies_is_only_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver that ends its process is found out without ending ours."""
    monkeypatch.setattr(scene_opengl, "_PROBE", "import os; os.abort()")
    assert "ended its process" in scene_opengl.opengl_trouble()


def test_a_driver_that_hangs_is_no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver that does not answer in time counts as missing."""
    monkeypatch.setattr(scene_opengl, "_PROBE", "import threading; threading.Event().wait()")
    monkeypatch.setattr(scene_opengl, "_PROBE_LIMIT_S", 0.5)
    assert "did not answer" in scene_opengl.opengl_trouble()


def test_opengl_asked_for_by_name_is_an_error_without_it(
    physics: ScenePhysics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asks for OpenGL by name is told what is missing and what to install."""
    monkeypatch.setattr(scene_camera.mujoco, "Renderer", _no_renderer)
    with pytest.raises(RenderUnavailableError, match="apt-get install libegl1"):
        make_camera(physics.model, "opengl")


@pytest.mark.skipif(sys.platform != "linux", reason="EGL is Linux's")
def test_physics_runs_where_egl_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the EGL library OpenGL is switched off, so that importing MuJoCo works."""
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.setattr(scene_opengl, "_has_egl_library", lambda: False)
    scene_opengl.choose_gl_backend()
    assert scene_opengl.os.environ["MUJOCO_GL"] == "disabled"


def _no_renderer(*_: object) -> None:
    raise RuntimeError("no display")


def _red_pixels(image: np.ndarray) -> int:
    red, green, blue = (image[..., channel].astype(int) for channel in range(3))
    return int(((red > 120) & (green < 0.6 * red) & (blue < 0.7 * red)).sum())
