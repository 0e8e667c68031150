"""A person plans: what is typed becomes subtasks, and nothing moves before."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from bridge.clock import ManualClock
from bridge.errors import ConfigError
from bridge.messages import Plan, PlanningStatus, Wait
from bridge.plugins import make_plugin
from bridge.protocols import Planner
from bridge.testing import example_request
from bridge.testing.examples import example_subtask
from slow_brain.planners.human import HumanPlanner
from slow_brain.triggers import TriggerKind
from tests.slow_brain.planning_rig import CONTROL_PERIOD_S, Rig

NewRig = Callable[..., Rig]


@pytest.fixture
def new_rig(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> NewRig:
    """A planning node with a person at it, and a goal."""

    def make(**settings: object) -> Rig:
        rig = Rig(clock, monkeypatch, HumanPlanner(), **settings)
        rig.ask()
        return rig

    return make


def test_it_is_a_planner_found_by_its_name() -> None:
    """`slow_brain.planner=human` is enough."""
    planner = make_plugin("planner", "human")
    assert isinstance(planner, Planner)
    planner.close()


def test_a_subtask_without_time_is_refused() -> None:
    """A time limit of nothing is a mistake, said before anything moves."""
    with pytest.raises(ConfigError, match="more than 0 s, but subtask_timeout_s is 0"):
        HumanPlanner(subtask_timeout_s=0.0)


def test_nothing_is_under_way_until_words_come(new_rig: NewRig) -> None:
    """However long the person thinks: no subtask, no error, no replan, and it says how."""
    rig = new_rig(replan_budget=0)
    for _ in range(50):
        rig.step()
    status = rig.status
    assert (status.phase, status.subtasks, status.replans) == ("thinking", (), 0)
    assert 'agent say "first; then the next"' in status.reason
    assert rig.node.last_error == ""


def test_what_is_typed_is_done_step_by_step(new_rig: NewRig) -> None:
    """The list is played in order, "done" moves on, and at its end the person is waited for."""
    rig = new_rig()
    rig.step()
    rig.say("open the drawer; put the cube in")
    rig.step(CONTROL_PERIOD_S)
    assert rig.steps == ["open the drawer active", "put the cube in pending"]
    rig.say("done")
    rig.step(CONTROL_PERIOD_S)
    assert rig.steps == ["open the drawer done", "put the cube in active"]
    rig.step()
    assert rig.steps == ["open the drawer done", "put the cube in active"]
    rig.say("Done.")
    assert rig.step(CONTROL_PERIOD_S).phase == "thinking"
    assert rig.steps == ["open the drawer done", "put the cube in done"]
    assert rig.step().replans == 0


def test_a_new_order_takes_the_place_of_the_old_one(new_rig: NewRig) -> None:
    """What is done stays done; what was under way is dropped at once, at no cost."""
    rig = new_rig(switch_confirmations=3, replan_budget=0)
    rig.step()
    for words in ("a; b", "done", "c; b"):
        rig.say(words)
        rig.step(CONTROL_PERIOD_S)
    assert rig.steps == ["a done", "b skipped", "c active", "b pending"]
    assert rig.status.replans == 0


def test_the_same_words_may_be_said_again(new_rig: NewRig) -> None:
    """Once for each time it is to be done."""
    rig = new_rig()
    rig.step()
    for words in ("press the button", "done", "press the button"):
        rig.say(words)
        rig.step(CONTROL_PERIOD_S)
    assert rig.steps == ["press the button done", "press the button active"]


def test_the_person_says_when_the_goal_is_met(new_rig: NewRig) -> None:
    """With as many confirmations as any planner needs, which the person need not type."""
    rig = new_rig(goal_confirmations=2)
    rig.step()
    for words in ("a", "finished"):
        rig.say(words)
        rig.step(CONTROL_PERIOD_S)
    assert rig.step().phase == "goal_done"


def test_what_the_robot_cannot_do_is_said_and_costs_nothing(new_rig: NewRig) -> None:
    """What was under way goes on, and the person reads what the robot knows."""
    rig = new_rig(replan_budget=0)
    rig.teach("reach left", "reach right")
    rig.step()
    rig.say("Reach left.")
    rig.step(CONTROL_PERIOD_S)
    rig.say("make tea")
    rig.step(CONTROL_PERIOD_S)
    # Until other words come: a person reads slowly.
    status = rig.step()
    assert rig.steps == ["reach left active"]
    assert "reach left, reach right" in status.reason
    assert "make tea" in status.reason
    assert (status.phase, status.replans) == ("acting", 0)
    assert rig.told("planner.refused")[0]["reason"].endswith("got make tea")
    rig.say("reach right")
    assert "make tea" not in rig.step(CONTROL_PERIOD_S).reason


def test_all_of_it_is_recorded(new_rig: NewRig) -> None:
    """What was said, by whom, and what became of it stand in the trace."""
    rig = new_rig()
    rig.step()
    rig.say("reach left")
    rig.step(CONTROL_PERIOD_S)
    assert [each["text"] for each in rig.told("planner.remark")] == ["reach left"]
    assert rig.told("planner.waits")[0]["reason"].startswith("Say the subtasks")
    assert rig.told("planner.plan")[0]["thoughts"] == ["SAID: reach left"]


def test_a_new_goal_forgets_the_old_orders(new_rig: NewRig) -> None:
    """What was typed for one goal is not done for the next."""
    rig = new_rig()
    rig.step()
    rig.say("a; b")
    rig.step(CONTROL_PERIOD_S)
    rig.ask("another", goal_id="h")
    assert rig.step(CONTROL_PERIOD_S).phase == "thinking"
    assert rig.steps == []


def test_after_a_restart_nothing_is_done_twice(new_rig: NewRig) -> None:
    """A planner that comes back lets what is under way go on, and does not obey old words anew."""
    rig = new_rig()
    rig.step()
    for words in ("a; b", "done"):
        rig.say(words)
        rig.step(CONTROL_PERIOD_S)
    shown: PlanningStatus = rig.status
    rig.node.close()
    again = HumanPlanner()
    resumed = replace(
        example_request(),
        goal=shown.goal or example_request().goal,
        finished=(example_subtask(),),
        current=shown.subtasks[-1],
        remarks=("a; b",),
        trigger=TriggerKind.RESUMED,
    )
    assert [type(each) for each in again.plan(resumed)] == [Wait]
    said = replace(resumed, remarks=("a; b", "c"), trigger="remark: c")
    (plan,) = (each for each in again.plan(said) if isinstance(each, Plan))
    assert [each.text for each in plan.subtasks] == ["c"]
