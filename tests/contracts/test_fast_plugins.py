"""Every plug-in of the fast brain's loop through the suite of its kind."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bridge.messages import Observation
from bridge.protocols import Policy, SimulatedRobot
from bridge.testing import ChunkStitcherContract, PolicyContract, RobotContract
from bridge.testing.examples import EXAMPLE_ACTION, SECOND_NS
from fast_brain.policies.hold import HoldPolicy
from fast_brain.policies.straight_line import StraightLinePolicy
from fast_brain.robots.gymnasium_env import GymnasiumRobot
from fast_brain.robots.point_arm import PointArm
from fast_brain.stitchers.a2c2 import A2c2Stitcher
from fast_brain.stitchers.adaptive_ensemble import AdaptiveEnsembleStitcher
from fast_brain.stitchers.bid import BidStitcher
from fast_brain.stitchers.latest import LatestStitcher
from fast_brain.stitchers.rtc import RtcStitcher
from fast_brain.stitchers.temporal_ensemble import TemporalEnsembleStitcher
from fast_brain.stitchers.trained_rtc import TrainedRtcStitcher
from fast_brain.stitchers.vlash import VlashStitcher
from tests.fast_brain.stitchers.heads import write_head


class TestLatestStitcher(ChunkStitcherContract):
    def make(self) -> LatestStitcher:
        """Without options, for it has none."""
        return LatestStitcher()


class TestRtcStitcher(ChunkStitcherContract):
    def make(self) -> RtcStitcher:
        """As published."""
        return RtcStitcher()


class TestTrainedRtcStitcher(ChunkStitcherContract):
    def make(self) -> TrainedRtcStitcher:
        """As published."""
        return TrainedRtcStitcher()


class TestVlashStitcher(ChunkStitcherContract):
    def make(self) -> VlashStitcher:
        """As published."""
        return VlashStitcher()


class TestBidStitcher(ChunkStitcherContract):
    def make(self) -> BidStitcher:
        """As published, without a weak policy."""
        return BidStitcher()


class TestTemporalEnsembleStitcher(ChunkStitcherContract):
    def make(self) -> TemporalEnsembleStitcher:
        """As published."""
        return TemporalEnsembleStitcher()


class TestOnlineTemporalEnsembleStitcher(ChunkStitcherContract):
    def make(self) -> TemporalEnsembleStitcher:
        """With a running mean."""
        return TemporalEnsembleStitcher(form="online")


class TestAdaptiveEnsembleStitcher(ChunkStitcherContract):
    def make(self) -> AdaptiveEnsembleStitcher:
        """As published."""
        return AdaptiveEnsembleStitcher()


class TestA2c2Stitcher(ChunkStitcherContract):
    @pytest.fixture(autouse=True)
    def _make_head(self, tmp_path: Path) -> None:
        self._folder = write_head(tmp_path, EXAMPLE_ACTION, size=50.0)

    def make(self) -> A2c2Stitcher:
        """With a head that corrects wildly, once it has seen something."""
        return A2c2Stitcher(weights=str(self._folder))


def _seen() -> Observation:
    """The point arm at home."""
    arm = PointArm()
    arm.connect()
    return arm.observe(SECOND_NS)


class TestHoldPolicy(PolicyContract):
    def make(self) -> HoldPolicy:
        """For the point arm."""
        return HoldPolicy(robot=PointArm.spec)

    def observation(self, policy: Policy) -> Observation:
        """What the point arm shows."""
        return _seen()


class TestStraightLinePolicy(PolicyContract):
    def make(self) -> StraightLinePolicy:
        """For the point arm, whose places it knows."""
        return StraightLinePolicy(robot=PointArm.spec)

    def observation(self, policy: Policy) -> Observation:
        """What the point arm shows."""
        return _seen()


class TestPointArm(RobotContract):
    def make(self) -> PointArm:
        """At home."""
        return PointArm()


class TestPendulum(RobotContract):
    def make(self) -> GymnasiumRobot:
        """Continuous torque, at its own 20 Hz."""
        return GymnasiumRobot(env_id="Pendulum-v1")


class TestCartPole(RobotContract):
    def make(self) -> GymnasiumRobot:
        """One of two actions, at its own 50 Hz."""
        return GymnasiumRobot(env_id="CartPole-v1")


@pytest.mark.parametrize("make", [PointArm, lambda: GymnasiumRobot(env_id="Pendulum-v1")])
def test_simulators_repeat_an_episode(make: Callable[[], PointArm | GymnasiumRobot]) -> None:
    """The same seed gives the same world, and another seed another one."""
    shown = []
    for seed in (3, 3, 4):
        robot = make()
        assert issubclass(type(robot), SimulatedRobot)
        robot.connect()
        robot.reset(seed, {})
        for beat in range(20):
            robot.advance(beat * SECOND_NS // 20)
        seen = robot.observe(SECOND_NS).proprioception
        shown.append(np.concatenate([value.ravel() for value in seen.values()]))
        robot.close()
    np.testing.assert_array_equal(shown[0], shown[1])
    assert not np.array_equal(shown[0], shown[2])
