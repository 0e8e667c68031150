"""Pause, hold and stop through the whole graph, in virtual time."""

from collections.abc import Generator

import numpy as np
import pytest
from serving_fakes import SECOND_NS, point_arm  # pyright: ignore[reportMissingImports]

from agent.graph import build_graph
from agent.runtime_local import LocalRuntime
from agent.server_state import ServerState
from bridge.messages import Command, Hold, HoldReason
from fast_brain.robots.point_arm import PLACES_M

POLICY = "fast_brain.policy=straight_line"
# At least two of the scripted subtask's own seconds are needed to reach the place.
SCRIPT = "slow_brain.planner_options.subtask_duration_s=3"
LIMIT = "slow_brain.subtask_timeout_s=10"


class Served:
    """A run in virtual time, and what a server would ask of it."""

    def __init__(self) -> None:
        config = point_arm(POLICY, SCRIPT, LIMIT)
        self.run = LocalRuntime(build_graph(config))
        self.run.start()
        self.state = ServerState(self.run, config)

    def let_pass(self, time_s: float) -> None:
        """Let virtual time pass."""
        self.run.run_until(lambda: False, time_s)

    @property
    def phase(self) -> str:
        """How far the goal is."""
        return self.state.status()["planning"]["phase"]

    @property
    def tip_m(self) -> np.ndarray:
        """Where the arm's target is."""
        return self.run.read("observation").proprioception["target_pose_in_base"]


@pytest.fixture
def served() -> Generator[Served]:
    """An arm on its way to the left."""
    arm = Served()
    arm.state.submit("reach left", "test")
    arm.let_pass(1.0)
    assert isinstance(arm.run.read("command"), Command)
    yield arm
    arm.run.stop()


@pytest.mark.parametrize("verb", ["pause", "hold"])
def test_a_robot_that_waited_goes_on_where_it_was(served: Served, verb: str) -> None:
    """A long wait moves nothing, fails nothing and costs nothing; then the goal is met."""
    getattr(served.state, verb)("test")
    served.let_pass(1.0)
    assert served.run.read("command").reason is HoldReason.PAUSED
    here_m, plan_count = served.tip_m, served.state.status()["planning"]["plans_made"]
    served.let_pass(25.0)
    status = served.state.status()
    np.testing.assert_array_equal(served.tip_m, here_m)
    assert status["pause"]["mode"] == ("paused" if verb == "pause" else "held")
    assert (status["planning"]["plans_made"] > plan_count) == (verb == "hold")
    served.state.resume("test")
    assert served.run.run_until(lambda: served.phase == "goal_done", 20.0)
    assert served.state.status()["planning"]["replans"] == 0
    assert [each["text"] for each in served.state.status()["planning"]["subtasks"]] == [
        "reach left"
    ]
    np.testing.assert_allclose(served.tip_m, PLACES_M["reach left"], atol=0.02)


def test_a_goal_that_is_given_in_a_pause_waits_for_its_end(served: Served) -> None:
    """A new goal takes the old one's place, and the robot moves only when it may go on."""
    served.state.pause("test")
    served.let_pass(1.0)
    here_m = served.tip_m
    goal = served.state.submit("reach right", "test")
    served.let_pass(5.0)
    np.testing.assert_array_equal(served.tip_m, here_m)
    assert served.state.status()["planning"]["goal"]["id"] == goal.id
    served.state.resume("test")
    assert served.run.run_until(lambda: served.phase == "goal_done", 20.0)
    np.testing.assert_allclose(served.tip_m, PLACES_M["reach right"], atol=0.02)


@pytest.mark.parametrize("fault", ["hangs", "is dead", "is well"])
def test_a_stop_does_not_wait_for_the_planner(served: Served, fault: str) -> None:
    """Whatever the planner is in, the first held command comes within two ticks of the button."""
    if fault == "hangs":
        served.run.freeze("planner", 3600.0)
    elif fault == "is dead":
        served.run.kill("planner")
    served.let_pass(0.2)
    pressed = served.state.stop("the button", "test")
    tick_ns = SECOND_NS // 100
    assert served.run.run_until(lambda: isinstance(served.run.read("command"), Hold), 1.0)
    held = served.run.read("command")
    assert held.reason is HoldReason.STOPPED
    assert held.stamp_ns - pressed.stamp_ns <= 2 * tick_ns
    served.let_pass(1.0)
    here_m = served.tip_m
    served.let_pass(5.0)
    np.testing.assert_array_equal(served.tip_m, here_m)


def test_only_a_release_frees_a_stopped_robot(served: Served) -> None:
    """Neither a pause nor its end nor time moves a robot that was stopped."""
    served.state.stop("the button", "test")
    served.let_pass(0.1)
    served.state.pause("test")
    served.let_pass(0.1)
    served.state.resume("test")
    served.let_pass(5.0)
    assert served.run.read("command").reason is HoldReason.STOPPED
    served.state.release("test")
    served.state.submit("reach right", "test")
    assert served.run.run_until(lambda: isinstance(served.run.read("command"), Command), 5.0)
