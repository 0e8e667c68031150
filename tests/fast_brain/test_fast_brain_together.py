"""The four nodes of the fast brain on one virtual clock, with a planner played by the test."""

from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from bridge.clock import ManualClock
from bridge.messages import ActionChunk, Command, HoldReason, MemoryView, Observation, SubtaskState
from bridge.specs import PolicySpec, RobotSpec
from bridge.transports.in_process import InProcessLatestValue
from fast_brain.config import FastBrainConfig, FastBrainNodeConfig, RobotConfig
from fast_brain.control_node import ControlNode
from fast_brain.policy_node import PolicyNode
from fast_brain.robot_node import RobotNode
from fast_brain.robots.point_arm import PLACES_M
from fast_brain.watchdog_node import WatchdogNode
from tests.fast_brain.node_rig import GOAL, S_NS, TICK_NS, acting

NAMES = (
    *("goal", "observation", "planning", "latent", "chunk", "command"),
    *("stop", "watchdog_stop", "loop_status", "world"),
)


class ReachPolicy:
    """Jumps to the place that the subtask names, and leaves the speed to the safety filter."""

    def __init__(self, *, robot: RobotSpec) -> None:
        self.spec = PolicySpec(action=robot.action, horizon=16, step_s=0.05)
        self._sequence = 0

    def act(self, observation: Observation, memory: MemoryView, now_ns: int) -> ActionChunk:
        """Every row is the place."""
        self._sequence += 1
        place = np.array(PLACES_M[memory.subtask_text], np.float32)
        return ActionChunk(
            actions=np.tile(place, (16, 1)),
            start_stamp_ns=now_ns,
            step_s=0.05,
            sequence=self._sequence,
            observation_sequence=observation.sequence,
            observation_stamp_ns=observation.stamp_ns,
        )

    def reset(self) -> None:
        """Nothing is remembered."""


class FastBrain:
    """Steps the nodes in the order of the graph; any of them can be left out."""

    def __init__(self, clock: ManualClock) -> None:
        self.mail = {name: InProcessLatestValue[Any]() for name in NAMES}
        self.now_ns = clock.now_ns()
        self.actions: list[np.ndarray] = []
        config = FastBrainNodeConfig(
            robot=RobotConfig(kind="point_arm"),
            fast_brain=FastBrainConfig(policy=f"{__name__}:ReachPolicy"),
        )
        self.nodes = {
            name: node(config=config, inputs=self.mail, outputs=self.mail, clock=clock)
            for name, node in {
                "robot": RobotNode,
                "policy": PolicyNode,
                "control": ControlNode,
                "watchdog": WatchdogNode,
            }.items()
        }
        for node in self.nodes.values():
            node.start()

    def run(self, seconds: float, *, without: tuple[str, ...] = ()) -> "FastBrain":
        """Let time pass at 100 Hz, the policy at 5 Hz."""
        for tick in range(round(seconds * 100)):
            self.now_ns += TICK_NS
            for name, node in self.nodes.items():
                if name not in without and (name != "policy" or tick % 20 == 0):
                    node.step(self.now_ns)
            decision = self.mail["command"].read()
            if isinstance(decision, Command):
                self.actions.append(decision.action)
        return self

    def read(self, name: str) -> Any:
        """The newest message of a mailbox."""
        return self.mail[name].read()

    def target(self) -> np.ndarray:
        """Where the robot is going now."""
        return self.read("observation").proprioception["target_pose_in_base"]


@pytest.fixture
def brain(clock: ManualClock) -> FastBrain:
    """A fast brain on its way to the left."""
    brain = FastBrain(clock)
    brain.mail["planning"].publish(acting(text="reach left"))
    return brain


def test_a_subtask_in_words_ends_in_the_place(brain: FastBrain) -> None:
    """From a subtask to a world in which it is achieved, at a speed within the limit."""
    brain.run(2.0)
    assert brain.read("world").facts["reach left"] is True
    steps = np.abs(np.diff(np.stack(brain.actions), axis=0))
    assert steps.max() <= 0.005 + 1e-6
    assert brain.read("loop_status").missed_ticks == 0


def test_the_next_subtask_turns_the_arm(brain: FastBrain) -> None:
    """When the planner goes on to the next subtask the robot does, without a jump."""
    brain.run(2.0)
    brain.mail["planning"].publish(acting(text="reach right"))
    brain.run(2.0)
    assert brain.read("world").facts["reach right"] is True
    assert np.abs(np.diff(np.stack(brain.actions), axis=0)).max() <= 0.005 + 1e-6


def test_when_the_policy_dies_the_arm_comes_to_rest(brain: FastBrain) -> None:
    """Without new chunks the last is played out, then the last target is held for good."""
    brain.run(0.1).run(1.0, without=("policy",))
    assert brain.read("command").reason is HoldReason.CHUNK_EXPIRED
    resting = brain.target()
    brain.run(1.0, without=("policy",))
    np.testing.assert_array_equal(brain.target(), resting)


def test_when_the_loop_dies_the_watchdog_stops_the_arm(brain: FastBrain) -> None:
    """A silent loop leads to a stop of the robot within the dead man's time."""
    brain.run(0.3).run(0.6, without=("control",))
    stop = brain.read("watchdog_stop")
    assert stop.stamp_ns - brain.now_ns <= 0.1 * S_NS
    np.testing.assert_allclose(
        brain.target(), brain.read("observation").proprioception["tip_position_in_base"]
    )
    # The loop's return moves nothing: a person has to release the stop.
    at_rest = brain.target()
    brain.run(0.5)
    np.testing.assert_array_equal(brain.target(), at_rest)


def test_when_the_robot_falls_silent_the_loop_holds(brain: FastBrain) -> None:
    """Without senses there are no commands, whatever the policy sends."""
    brain.run(0.3).run(1.0, without=("robot",))
    assert brain.read("command").reason is HoldReason.NO_OBSERVATION


def test_when_the_goal_is_done_the_arm_stays(brain: FastBrain) -> None:
    """After the planner calls the goal done no new chunk is made and the target is kept."""
    brain.run(2.0)
    status = acting(GOAL, phase="goal_done", text="reach left")
    done = replace(status.subtasks[0], state=SubtaskState.DONE)
    brain.mail["planning"].publish(replace(status, subtasks=(done,)))
    brain.run(2.0)
    assert brain.read("command").reason is HoldReason.CHUNK_EXPIRED
    assert brain.read("world").facts["reach left"] is True


def test_a_new_episode_is_played_from_its_own_start(brain: FastBrain) -> None:
    """After a reset of the world the arm begins where the world does, and slowly."""
    brain.run(2.0)
    robot = brain.nodes["robot"]
    assert isinstance(robot, RobotNode)
    robot.reset(0, {"tip_m": (0.4, -0.3, 0.3)})
    brain.actions.clear()
    brain.run(0.3)
    np.testing.assert_allclose(brain.actions[0], [0.4, -0.3, 0.3], atol=0.006)
