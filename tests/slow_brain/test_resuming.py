"""A planner that was restarted goes on where the one before it had come to."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bridge.clock import ManualClock
from bridge.messages import Goal, Observation, PlanningStatus, Subtask, SubtaskState
from bridge.testing.examples import SECOND_NS
from bridge.transports.in_process import InProcessLatestValue
from slow_brain.config import SlowBrainConfig
from slow_brain.planning_loop import PlanningLoop
from slow_brain.planning_node import PlanningNode

GOAL = Goal(text="reach both", id="g1", source="test", stamp_ns=SECOND_NS)


class Mail:
    """The mailboxes of a planner; they outlive it."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.inputs = {name: InProcessLatestValue[Any]() for name in ("goal", "observation")}
        self.outputs = {name: InProcessLatestValue[Any]() for name in ("planning", "latent")}

    def new_planner(self, **settings: Any) -> PlanningNode:
        """A planner in a new process, started."""
        config = SlowBrainConfig(planner="scripted", rate_hz=2.0, **settings)
        node = PlanningNode(
            config=config, inputs=self.inputs, outputs=self.outputs, clock=self.clock
        )
        node.start()
        return node

    def step(self, node: PlanningNode, seconds: int = 1) -> PlanningStatus:
        """Let time pass with a new observation each second; the status after it."""
        for _ in range(seconds):
            self.clock.advance_ns(SECOND_NS)
            now_ns = self.clock.now_ns()
            self.inputs["observation"].publish(
                Observation(stamp_ns=now_ns, sequence=0, images={}, proprioception={})
            )
            node.step(now_ns)
        status = self.outputs["planning"].read()
        assert status is not None
        return status


def states(status: PlanningStatus) -> list[tuple[str, str]]:
    """Each subtask with its state."""
    return [(each.text, str(each.state)) for each in status.subtasks]


def test_a_planner_that_fell_goes_on_with_the_next_subtask(clock: ManualClock) -> None:
    """Finished subtasks stay finished, the plan and its count go on, and no id is used twice."""
    mail = Mail(clock)
    mail.inputs["goal"].publish(GOAL)
    before = mail.step(mail.new_planner(), 4)
    assert states(before)[:2] == [("reach left", "done"), ("reach right", "active")]

    node = mail.new_planner()
    after = mail.step(node)
    assert states(after) == states(before)
    assert after.plans_made == before.plans_made + 1
    assert after.plan is not None
    assert after.plan.trigger == "planner restarted"

    end = mail.step(node, 12)
    assert (end.phase, end.goal) == ("goal_done", GOAL)
    assert states(end) == [
        ("reach left", "done"),
        ("reach right", "done"),
        ("return home", "done"),
    ]
    assert len({each.id for each in end.subtasks}) == 3


def test_a_goal_that_was_met_is_not_begun_again(clock: ManualClock) -> None:
    """A planner that falls after the end finds the goal in its mailbox and leaves it alone."""
    mail = Mail(clock)
    mail.inputs["goal"].publish(GOAL)
    before = mail.step(mail.new_planner(), 15)
    assert before.phase == "goal_done"
    after = mail.step(mail.new_planner(), 3)
    assert (after.phase, states(after)) == ("goal_done", states(before))
    assert after.plans_made == before.plans_made


def test_a_goal_that_came_meanwhile_is_begun(clock: ManualClock) -> None:
    """What was asked for while no planner was there replaces what had been begun."""
    mail = Mail(clock)
    mail.inputs["goal"].publish(GOAL)
    mail.step(mail.new_planner(), 4)
    other = Goal(text="return home", id="g2", source="test", stamp_ns=clock.now_ns())
    mail.inputs["goal"].publish(other)
    after = mail.step(mail.new_planner())
    assert (after.goal, states(after)) == (other, [("return home", "active")])


def test_the_budget_and_the_time_limit_are_not_renewed(clock: ManualClock) -> None:
    """Falling is no way to more replans or more time: both go on from what was shown."""
    active = Subtask(id="g1.1", text="reach left", timeout_s=5.0, state=SubtaskState.ACTIVE)
    shown = PlanningStatus(
        phase="acting",
        stamp_ns=clock.now_ns(),
        goal=GOAL,
        subtasks=(active,),
        plans_made=7,
        replans=2,
        active_since_ns=clock.now_ns(),
    )
    mail = Mail(clock)
    mail.outputs["planning"].publish(shown)
    mail.inputs["goal"].publish(GOAL)
    slow = {"subtask_duration_s": 100.0}
    status = mail.step(mail.new_planner(replan_budget=2, planner_options=slow), 6)
    assert status.phase == "goal_failed"
    assert "took longer than 5 s; all 2 replans are spent" in status.reason


def test_a_first_planner_has_nothing_to_resume(clock: ManualClock) -> None:
    """Empty mailboxes, and the status of a planner that never had a goal, begin idle."""
    mail = Mail(clock)
    assert mail.step(mail.new_planner()).phase == "idle"
    assert mail.step(mail.new_planner()).phase == "idle"


_SUBTASKS = st.lists(
    st.sampled_from([SubtaskState.DONE, SubtaskState.FAILED, SubtaskState.SKIPPED]), max_size=5
)


@given(over=_SUBTASKS, has_active=st.booleans(), pending=st.integers(0, 3))
def test_what_was_shown_is_shown_again(
    over: list[SubtaskState], *, has_active: bool, pending: int
) -> None:
    """Resuming changes nothing that a person sees, whatever the subtasks were."""
    states = [*over, *[SubtaskState.ACTIVE] * has_active, *[SubtaskState.PENDING] * pending]
    shown = PlanningStatus(
        phase="acting" if has_active else "thinking",
        stamp_ns=5 * SECOND_NS,
        goal=GOAL,
        subtasks=tuple(
            Subtask(id=f"g1.{number}", text=f"step {number}", state=state)
            for number, state in enumerate(states, start=1)
        ),
        reason="because",
        plans_made=3,
        replans=1,
        active_since_ns=2 * SECOND_NS,
        subtasks_begun=len(over) + has_active,
        subtasks_done=over.count(SubtaskState.DONE),
    )
    loop = PlanningLoop(SlowBrainConfig(planner="scripted"), None)
    loop.resume(shown)
    assert loop.status(5 * SECOND_NS) == shown
