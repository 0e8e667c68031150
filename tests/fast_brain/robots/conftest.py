"""One compiled scene for all tests of the robots: compiling takes seconds, resetting none."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from fast_brain.robots.scene_physics import ScenePhysics


@pytest.fixture(scope="session")
def compiled_scene() -> "ScenePhysics":
    """The scene, compiled once."""
    pytest.importorskip("ogbench")
    from fast_brain.robots.scene_physics import ScenePhysics

    return ScenePhysics()


@pytest.fixture
def physics(compiled_scene: "ScenePhysics") -> "ScenePhysics":
    """The scene at a known start: everything shut, the drawer locked, the arm waiting."""
    compiled_scene.reset(
        0,
        drawer_m=0.0,
        window_m=0.0,
        drawer_locked=True,
        window_locked=False,
        cube_xy_m=(0.38, 0.1),
        arm_at_home=True,
    )
    return compiled_scene
