from typing import Any

import numpy as np
import pytest

from bridge.clock import ManualClock
from bridge.messages import Observation
from bridge.specs import ArraySpec, ObservationSpec
from bridge.testing import FakeRobot
from fast_brain.config import RobotConfig
from fast_brain.observation_watch import ObservationWatch
from fast_brain.robot_node import RobotNode
from tests.fast_brain.node_rig import S_NS, TICK_NS, Rig

SPEC = ObservationSpec(
    images=(ArraySpec(name="front", shape=(4, 4, 3), dtype="uint8"),),
    proprioception=(ArraySpec(name="joints", shape=(2,), unit="rad", low=-1.0, high=1.0),),
)


def shown(stamp_ns: int = 0, **changes: Any) -> Observation:
    """A living picture and two joints, with some of it changed."""
    picture = np.random.default_rng(stamp_ns).integers(0, 255, (4, 4, 3), np.uint8)
    arrays = {"images": {"front": picture}, "proprioception": {"joints": np.zeros(2, np.float32)}}
    return Observation(stamp_ns=stamp_ns, sequence=0, **{**arrays, **changes})


@pytest.mark.parametrize(
    ("changes", "trouble"),
    [
        ({}, ""),
        ({"images": {}}, "observation.images.front: expected uint8[4, 4, 3], got nothing"),
        (
            {"images": {"front": np.zeros((2, 4, 3), np.uint8)}},
            "observation.images.front: expected uint8[4, 4, 3], got uint8[2, 4, 3]",
        ),
        (
            {"proprioception": {"joints": np.array([0, np.nan], np.float32)}},
            (
                "observation.proprioception.joints: expected float32[2] in [-1.0, 1.0] rad, "
                "got 1 of 2 values not finite"
            ),
        ),
        # A joint a little past its bound is measured so, and is no reason to stand still.
        ({"proprioception": {"joints": np.array([1.01, 0], np.float32)}}, ""),
    ],
)
def test_what_is_not_as_declared_is_found(changes: dict[str, Any], trouble: str) -> None:
    """Missing arrays, wrong shapes and values that are not finite are named, bounds are not."""
    assert ObservationWatch(SPEC).trouble_with(shown(**changes)) == trouble


def test_a_dark_camera_is_told() -> None:
    """A picture of one colour is suspicious as long as it lasts."""
    watch = ObservationWatch(SPEC)
    watch.look(shown(images={"front": np.zeros((4, 4, 3), np.uint8)}), S_NS)
    assert watch.suspicion == "camera 'front' shows one colour"
    watch.look(shown(2), 2 * S_NS)
    assert watch.suspicion == ""


@pytest.mark.parametrize(("moves", "told"), [(True, True), (False, False)])
def test_a_still_picture_is_told_only_while_the_robot_moves(*, moves: bool, told: bool) -> None:
    """A camera that shows the same for more than a second of motion is told; at rest it is not."""
    watch, picture = ObservationWatch(SPEC), shown().images
    for second in range(4):
        joints = np.full(2, second * 0.2 * moves, np.float32)
        watch.look(shown(images=picture, proprioception={"joints": joints}), second * S_NS)
    words = "camera 'front' shows the same picture although the robot moves"
    assert watch.suspicion == (words if told else "")


def test_a_spoilt_observation_is_not_shown(clock: ManualClock) -> None:
    """Readings of nan reach nobody, the robot's node says why, and goes on."""
    rig = Rig(RobotNode, clock, robot=RobotConfig(kind=f"{__name__}:make_spoilt_robot"))
    rig.node.start()
    rig.step(S_NS).step(S_NS + TICK_NS)
    assert rig.count("observation") == 0
    assert "not finite" in rig.node.last_error


def make_spoilt_robot() -> FakeRobot:
    """A robot that shows nan."""
    return FakeRobot(fault="rubbish")
