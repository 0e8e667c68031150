"""What a person says reaches the planner within one control period, and undoes nothing."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.config import load_config
from agent.graph import build_graph
from bridge.arrays import picture_hash
from bridge.clock import ManualClock
from bridge.errors import PlanRefusedError
from bridge.messages import Plan, PlanRequest, Reply, Subtask, Thought, Wait
from bridge.specs import PlannerSpec
from bridge.testing.examples import SECOND_NS
from tests.slow_brain.planning_rig import CONTROL_PERIOD_S, Rig

Results = Iterator[Any]


class Planner:
    """Made of one function; keeps what it was asked."""

    spec = PlannerSpec(cameras=("front",))

    def __init__(self, answer: Callable[[PlanRequest], Results]) -> None:
        self.answer = answer
        self.asked: list[PlanRequest] = []

    def plan(self, request: PlanRequest) -> Results:
        """As the function says."""
        self.asked.append(request)
        return self.answer(request)

    def close(self) -> None:
        """Nothing to free."""


def plan_of(request: PlanRequest, *texts: str) -> Plan:
    """A plan of these steps."""
    return Plan(
        id=request.plan_id,
        goal_id=request.goal.id,
        subtasks=tuple(Subtask(id=f"{number}", text=text) for number, text in enumerate(texts)),
        trigger=request.trigger,
        observation_stamp_ns=0,
        stamp_ns=0,
    )


def the_rest(request: PlanRequest) -> Results:
    """Three steps, of which each look finds the one under way done."""
    is_done = request.current is not None
    left = "abc"[request.finished_count + is_done :]
    plan = plan_of(request, *left)
    yield Plan(
        id=plan.id,
        goal_id=plan.goal_id,
        subtasks=plan.subtasks,
        trigger=plan.trigger,
        observation_stamp_ns=0,
        stamp_ns=0,
        current_subtask_done=is_done,
        goal_done=not left,
    )


@pytest.fixture
def patch(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The usual one, by a shorter name."""
    return monkeypatch


def test_the_planner_listens_as_often_as_the_robot_is_commanded() -> None:
    """In every preset its beat is the control loop's, so a word waits for one period at most."""
    for preset in ("demo", "point_arm", "gymnasium_pendulum"):
        config = load_config(preset)
        planner = build_graph(config).node("planner")
        assert planner.rate_hz >= config.fast_brain.control_rate_hz


@pytest.mark.parametrize("quiet_s", [0.0, 0.01, 0.02, 0.04, 0.31])
def test_a_remark_is_acted_upon_at_the_next_beat(
    clock: ManualClock, patch: pytest.MonkeyPatch, quiet_s: float
) -> None:
    """Whenever it comes between two looks, and though the planner had been asked just before."""
    planner = Planner(lambda request: iter([plan_of(request, "a", "b")]))
    rig = Rig(clock, patch, planner, rate_hz=0.1, poll_rate_hz=2.0)
    rig.ask()
    rig.step()
    for _ in range(round(quiet_s / CONTROL_PERIOD_S)):
        rig.step(CONTROL_PERIOD_S)
    rig.say("no, the other one")
    rig.step(CONTROL_PERIOD_S)
    assert [request.trigger for request in planner.asked] == [
        "new goal",
        "remark: no, the other one",
    ]
    assert planner.asked[-1].remarks == ("no, the other one",)


def test_between_two_words_there_is_next_to_nothing_to_do(
    clock: ManualClock, patch: pytest.MonkeyPatch
) -> None:
    """Beats in which nobody spoke and no look is due read no observation and publish nothing."""
    rig = Rig(clock, patch, Planner(the_rest), poll_rate_hz=10.0)
    for _ in range(50):
        rig.step(CONTROL_PERIOD_S)
    assert rig.planning.version == 5


def test_a_remark_ends_a_thought_between_two_tokens(
    clock: ManualClock, patch: pytest.MonkeyPatch
) -> None:
    """A planner that yields None between tokens is closed at the next one, and asked anew."""
    tokens: list[int] = []

    def slowly(request: PlanRequest) -> Results:
        if request.remarks:
            yield plan_of(request, "b")
            return
        for number in range(100):
            tokens.append(number)
            if number == 40:
                rig.say("no, the other one")
            yield None
        yield plan_of(request, "a")

    planner = Planner(slowly)
    rig = Rig(clock, patch, planner)
    rig.ask()
    rig.step()
    assert len(tokens) == 41
    assert rig.told("planner.cut_short")[0]["reason"] == "a remark"
    rig.step(CONTROL_PERIOD_S)
    assert rig.steps == ["b active"]
    assert rig.status.replans == 0


def test_a_remark_undoes_nothing(clock: ManualClock, patch: pytest.MonkeyPatch) -> None:
    """What is done stays done and listed, and the planner is told of it."""
    planner = Planner(the_rest)
    rig = Rig(clock, patch, planner)
    rig.ask()
    rig.step()
    rig.step()
    assert rig.steps == ["a done", "b active", "c pending"]
    planner.answer = lambda request: iter([plan_of(request, "c", "b")])
    rig.say("first the other one")
    rig.step(CONTROL_PERIOD_S)
    assert [each.text for each in planner.asked[-1].finished] == ["a"]
    assert rig.steps == ["a done", "b skipped", "c active", "b pending"]


@given(st.lists(st.sampled_from(["look", "remark", "beat", "beat"]), max_size=40))
def test_no_order_of_words_loses_one_or_undoes_anything(events: list[str]) -> None:
    """Law: each remark is answered at the next beat, and what was done stays done."""
    with pytest.MonkeyPatch.context() as patch:
        planner = Planner(the_rest)
        rig = Rig(ManualClock(SECOND_NS), patch, planner, goal_confirmations=3, rate_hz=1.0)
        rig.ask()
        rig.step(CONTROL_PERIOD_S)
        for number, event in enumerate(events):
            before = rig.status
            if event == "remark":
                rig.say(f"remark {number}")
            now = rig.step(1.1 if event == "look" else CONTROL_PERIOD_S)
            if event == "remark" and before.phase in ("thinking", "acting"):
                assert planner.asked[-1].trigger == f"remark {number}"
            assert now.subtasks_done >= before.subtasks_done
            was_done = {each.id for each in before.subtasks if each.state == "done"}
            assert was_done <= {each.id for each in now.subtasks if each.state == "done"}
            assert now.replans == 0


def test_every_request_says_what_caused_it(clock: ManualClock, patch: pytest.MonkeyPatch) -> None:
    """A goal, a remark, plan age: each with the newest observation of its own moment."""
    rig = Rig(clock, patch, Planner(the_rest), rate_hz=1.0, goal_confirmations=9)
    rig.step()
    rig.ask()
    rig.step(CONTROL_PERIOD_S)
    rig.step(1.5)
    rig.say("faster")
    rig.step(CONTROL_PERIOD_S)
    causes = [
        (each["trigger_kind"], each["trigger_observation_sequence"], each["trigger_stamp_ns"])
        for each in rig.told("planner.asked")
    ]
    seconds = [(kind, seen / SECOND_NS) for kind, seen, _ in causes]
    # The goal was noticed in the same beat in which the newest observation was seen.
    assert seconds == [("new goal", 2.01), ("plan age", 3.51), ("remark", 3.52)]
    assert all(seen >= 0 for _, seen, _ in causes)


def test_a_trouble_carries_what_was_seen_then(
    clock: ManualClock, patch: pytest.MonkeyPatch
) -> None:
    """The repair is caused by the observation that the failed thought began from."""

    def broken(request: PlanRequest) -> Results:
        raise RuntimeError("broken")

    planner = Planner(broken)
    rig = Rig(clock, patch, planner, backoff_s=0.5)
    rig.ask()
    rig.step()
    planner.answer = the_rest
    rig.step(2.0)
    first, second = rig.told("planner.asked")
    assert second["trigger_kind"] == "repair"
    assert second["trigger_observation_sequence"] == first["observation_sequence"]


def test_the_trace_has_the_pictures_and_the_words(
    clock: ManualClock, patch: pytest.MonkeyPatch
) -> None:
    """What the planner was shown, by hash, each thought, and the model's reply word for word."""

    def aloud(request: PlanRequest) -> Results:
        for piece in ("left", " first\n"):
            yield Thought(field="PLAN", text=piece, plan_id=request.plan_id, stamp_ns=0)
        yield Reply(text="PLAN: left first", plan_id=request.plan_id)
        yield plan_of(request, "a")

    rig = Rig(clock, patch, Planner(aloud))
    front = np.full((4, 4, 3), 7, np.uint8)
    rig.images = {"front": front, "wrist": front + np.uint8(1)}
    rig.ask()
    status = rig.step()
    assert rig.told("planner.asked")[0]["images"] == [f"front={picture_hash(front)}"]
    assert [each["text"] for each in rig.told("planner.thought")] == ["left", " first\n"]
    assert rig.told("planner.reply")[0]["text"] == "PLAN: left first"
    assert rig.told("planner.plan")[0]["thoughts"] == ["PLAN: left first"]
    assert status.plan is not None
    assert [(each.field, each.text) for each in status.plan.thoughts] == [("PLAN", "left first")]


def refusing(*plans: tuple[str, ...]) -> tuple[Planner, list[str]]:
    """A planner that offers these one after the other, as long as they are refused."""
    heard: list[str] = []

    def offer(request: PlanRequest) -> Results:
        for steps in plans:
            try:
                yield plan_of(request, *steps)
            except PlanRefusedError as refusal:
                heard.append(str(refusal))
            else:
                return
        yield Wait(reason="no idea", plan_id=request.plan_id)

    return Planner(offer), heard


def test_a_refused_plan_may_be_repaired_at_once(
    clock: ManualClock, patch: pytest.MonkeyPatch
) -> None:
    """The planner hears which step the robot does not know, and offers another at no cost."""
    planner, heard = refusing(("fly",), ("reach left",))
    rig = Rig(clock, patch, planner, replan_budget=0)
    rig.teach("reach left", "reach right")
    rig.ask()
    status = rig.step()
    assert rig.steps == ["reach left active"]
    assert len(planner.asked) == 1
    assert planner.asked[0].skills == ("reach left", "reach right")
    assert heard == [rig.told("planner.refused")[0]["reason"]]
    assert (status.replans, rig.node.last_error) == (0, "")


def test_repairs_of_refused_plans_are_bounded(
    clock: ManualClock, patch: pytest.MonkeyPatch
) -> None:
    """A planner that insists is an error after three refusals, and the budget ends the goal."""
    planner, heard = refusing(*[("fly",)] * 50)
    rig = Rig(clock, patch, planner, replan_budget=1)
    rig.teach("reach left")
    rig.ask()
    rig.step()
    assert len(heard) == 3
    assert "expected steps that the robot knows (reach left), got fly" in rig.node.last_error
    rig.step()
    assert rig.status.phase == "goal_failed"
    assert "got fly" in rig.status.reason


def test_a_planner_that_does_not_listen_to_refusals_is_asked_again(
    clock: ManualClock, patch: pytest.MonkeyPatch
) -> None:
    """The old plan stays; the repair is an ordinary one, with the reason in its trigger."""
    offers = iter((("reach left",), ("fly",), ("reach right",)))
    planner = Planner(lambda request: iter([plan_of(request, *next(offers))]))
    rig = Rig(clock, patch, planner, switch_confirmations=1)
    rig.teach("reach left", "reach right")
    rig.ask()
    rig.step()
    rig.step()
    assert rig.steps == ["reach left active"]
    rig.step()
    assert rig.steps == ["reach left skipped", "reach right active"]
    assert "got fly" in planner.asked[-1].trigger


def test_waiting_is_no_answer_and_no_error(clock: ManualClock, patch: pytest.MonkeyPatch) -> None:
    """A planner that has no plan now costs nothing; what is under way goes on."""
    planner = Planner(lambda request: iter([plan_of(request, "a", "b")]))
    rig = Rig(clock, patch, planner, replan_budget=0)
    rig.ask()
    rig.step()
    planner.answer = lambda request: iter([Wait(reason="for the tide", plan_id=request.plan_id)])
    for _ in range(10):
        rig.step()
    status = rig.status
    assert rig.steps == ["a active", "b pending"]
    assert (status.reason, status.replans, rig.node.last_error) == ("for the tide", 0, "")
