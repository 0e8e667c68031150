import numpy as np
import pytest

from bridge.messages import Observation
from slow_brain.scene_change import SceneChange, SceneChangeConfig

FRONT = SceneChangeConfig(cameras=("front",), level=0.3, rest_level=0.1, looks=2)


def picture(brightness: float = 0.5, *, patch: float | None = None, size: int = 64) -> Observation:
    """An even picture; with a patch in one corner of another brightness."""
    image = np.full((size, size, 3), round(255 * brightness), np.uint8)
    if patch is not None:
        image[: size // 8, : size // 8] = round(255 * patch)
    return Observation(stamp_ns=1, sequence=1, images={"front": image}, proprioception={})


def settled(config: SceneChangeConfig = FRONT) -> SceneChange:
    """After the planner has looked."""
    scene = SceneChange(config)
    scene.settle(picture())
    return scene


def test_a_change_is_told_after_looks_in_a_row() -> None:
    """One changed cell is enough, one flash is not."""
    scene = settled()
    shown = [picture(patch=1.0), picture(), picture(patch=1.0), picture(patch=1.0)]
    said = [scene.look(each) for each in shown]
    assert said[:3] == ["", "", ""]
    assert said[3] == "front changed by 0.50 of full brightness since the last look"


def test_a_change_is_told_once_until_it_is_over() -> None:
    """It is not told again before the scene was back, or the planner has looked."""
    scene = settled()
    changed, halfway = picture(patch=1.0), picture(patch=0.7)
    told = [bool(scene.look(each)) for each in [changed] * 4 + [halfway] + [changed] * 3]
    assert told == [False, True] + [False] * 6
    scene.look(picture())
    assert [bool(scene.look(changed)) for _ in range(2)] == [False, True]
    scene.settle(changed)
    assert [bool(scene.look(changed)) for _ in range(3)] == [False] * 3


def test_a_little_change_is_none() -> None:
    """Noise below the level says nothing."""
    scene = settled()
    assert [scene.look(picture(patch=0.6)) for _ in range(5)] == [""] * 5


@pytest.mark.parametrize("config", [SceneChangeConfig(), SceneChangeConfig(cameras=("wrist",))])
def test_without_a_camera_nothing_is_told(config: SceneChangeConfig) -> None:
    """It is off by default, and a camera that is not there shows nothing."""
    scene = settled(config)
    assert [scene.look(picture(1.0)) for _ in range(5)] == [""] * 5


def test_before_the_first_look_nothing_can_have_changed() -> None:
    """There is nothing to compare with."""
    assert [SceneChange(FRONT).look(picture(1.0)) for _ in range(3)] == [""] * 3


@pytest.mark.parametrize("size", [1, 5, 8, 65])
def test_pictures_of_any_size_are_compared(size: int) -> None:
    """Small and odd sizes have fewer cells, or cells without their last rows."""
    scene = SceneChange(FRONT)
    scene.settle(picture(0.0, size=size))
    assert [bool(scene.look(picture(1.0, size=size))) for _ in range(2)] == [False, True]
