import numpy as np
import pytest

from bridge.clock import ManualClock
from bridge.errors import ContractError, RobotFault
from bridge.messages import Latent, Plan, Thought
from bridge.testing import (
    EXAMPLE_ACTION,
    EXAMPLE_LATENT,
    EXAMPLE_OBSERVATION,
    FakePlanner,
    FakePolicy,
    FakeRobot,
    Fault,
    example_memory,
    example_observation,
    example_request,
)
from bridge.testing.fakes import HANG_S


@pytest.mark.parametrize(("fault", "takes_s"), [("none", 0.5), ("late", 5.0), ("hang", HANG_S)])
def test_a_slow_planner_spends_the_clocks_time(
    clock: ManualClock, fault: Fault, takes_s: float
) -> None:
    """Under virtual time even an hour of hanging takes none, and is seen on the clock."""
    before_ns = clock.now_ns()
    list(FakePlanner(clock=clock, thinking_s=0.5, fault=fault).plan(example_request()))
    assert clock.now_ns() - before_ns == takes_s * 1e9


def test_a_hanging_planner_has_thought_before() -> None:
    """The first thought comes before the hang, as with a real model."""
    clock = ManualClock()
    thinking = FakePlanner(clock=clock, fault="hang").plan(example_request())
    assert isinstance(next(thinking), Thought)
    assert clock.now_ns() == 0


def test_a_raising_planner_raises_after_its_first_thought() -> None:
    """A crash in the middle of thinking leaves a thought without a plan."""
    thinking = FakePlanner(fault="raise").plan(example_request())
    assert isinstance(next(thinking), Thought)
    with pytest.raises(RuntimeError, match="told to raise"):
        next(thinking)


def test_a_rubbish_planner_breaks_latent_and_plan() -> None:
    """Its latent fails the spec, and its plan answers another request."""
    results = list(FakePlanner(fault="rubbish").plan(example_request()))
    latent = next(result for result in results if isinstance(result, Latent))
    plan = next(result for result in results if isinstance(result, Plan))
    with pytest.raises(ContractError):
        EXAMPLE_LATENT.validate(latent)
    assert plan.id != example_request().plan_id


def test_a_planner_remembers_how_it_was_used() -> None:
    """A test can ask what was requested, and whether it was closed."""
    planner = FakePlanner()
    list(planner.plan(example_request(plan_id="plan-7")))
    planner.close()
    assert [request.plan_id for request in planner.requests] == ["plan-7"]
    assert planner.is_closed


def test_a_faulty_policy_is_late_raises_or_sends_nan(clock: ManualClock) -> None:
    """Each fault of a policy shows in the one way it is named after."""
    inputs = (example_observation(), example_memory(), clock.now_ns())
    FakePolicy(clock=clock, acting_s=0.1, fault="late").act(*inputs)
    assert clock.now_ns() == 2_000_000_000
    with pytest.raises(RuntimeError, match="told to raise"):
        FakePolicy(fault="raise").act(*inputs)
    with pytest.raises(ContractError):
        EXAMPLE_ACTION.validate(FakePolicy(fault="rubbish").act(*inputs).actions)


def test_a_policy_remembers_the_memories_it_was_shown() -> None:
    """A test can ask what the policy could have known, until it is reset."""
    policy = FakePolicy()
    policy.act(example_observation(), example_memory(length=2), 0)
    assert [memory.time_s.size for memory in policy.memories] == [2]
    policy.reset()
    assert policy.memories == []


def test_a_robot_that_is_not_connected_does_not_answer() -> None:
    """Before `connect` and after `close` there is nothing to see."""
    robot = FakeRobot()
    with pytest.raises(RobotFault):
        robot.observe(0)
    robot.connect()
    robot.close()
    with pytest.raises(RobotFault):
        robot.observe(0)


def test_a_faulty_robot_does_not_answer_or_shows_nan() -> None:
    """Each fault of a robot shows where a driver meets it."""
    silent, blind = FakeRobot(fault="raise"), FakeRobot(fault="rubbish")
    silent.connect()
    blind.connect()
    with pytest.raises(RobotFault):
        silent.observe(0)
    assert np.isnan(blind.observe(0).proprioception["position"]).all()
    with pytest.raises(ContractError):
        EXAMPLE_OBSERVATION.validate(blind.observe(0))
