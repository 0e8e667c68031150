"""Monitors and remarks in the planner's node, with real mailboxes and virtual time."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from bridge.clock import ManualClock
from bridge.errors import ConfigError
from bridge.messages import (
    Goal,
    Latent,
    Observation,
    Plan,
    PlanningStatus,
    PlanRequest,
    Remark,
    Subtask,
    SubtaskReport,
    SubtaskState,
    Thought,
    WorldReport,
)
from bridge.specs import PlannerSpec
from bridge.trace import TraceEvent
from bridge.transports.in_process import InProcessLatestValue
from slow_brain.config import SlowBrainConfig
from slow_brain.planning_node import PlanningNode

SECOND_NS = 1_000_000_000
INPUTS = ("goal", "remark", "observation", "chunk", "loop_status", "world")
NO_PROGRESS = {"kind": "no_progress", "options": {"readings": ["tip"], "limit_s": 2.0}}
made: dict[str, Any] = {}


class Steps:
    """Plans three steps and never calls one done; remembers what it was asked."""

    spec = PlannerSpec()

    def __init__(self) -> None:
        made["planner"] = self
        self.asked: list[PlanRequest] = []
        self.is_closed_early = False
        self.meanwhile: list[Any] = []

    def plan(self, request: PlanRequest) -> Iterator[Thought | Plan | Latent]:
        """What is left of a, b and c; something may happen while it thinks."""
        self.asked.append(request)
        seen_ns = request.observation.stamp_ns
        try:
            yield Thought(field="PLAN", text="…", plan_id=request.plan_id, stamp_ns=seen_ns)
            if self.meanwhile:
                self.meanwhile.pop(0)()
            yield Thought(field="PLAN", text="…", plan_id=request.plan_id, stamp_ns=seen_ns)
        except GeneratorExit:
            self.is_closed_early = True
            raise
        done = [subtask.text for subtask in request.finished]
        left = [text for text in "abc" if text not in done]
        yield Plan(
            id=request.plan_id,
            goal_id=request.goal.id,
            subtasks=tuple(Subtask(id=text, text=text) for text in left),
            trigger=request.trigger,
            goal_done=not left,
            observation_stamp_ns=seen_ns,
            stamp_ns=seen_ns,
        )

    def close(self) -> None:
        """Nothing to free."""


class Telling:
    """A monitor that says what it is told to say, found by its path."""

    def __init__(self) -> None:
        made["monitor"] = self
        self.says: SubtaskState | None = None
        self.fault: Exception | None = None
        self.worlds: list[object] = []
        self._subtask_id = ""

    def begin(self, subtask: Subtask, now_ns: int) -> None:
        """Remember whom it speaks of."""
        self._subtask_id = subtask.id

    def check(self, evidence: Any, now_ns: int) -> SubtaskReport | None:
        """Say it once."""
        self.worlds.append(evidence.world)
        if self.fault is not None:
            raise self.fault
        state, self.says = self.says, None
        if state is None:
            return None
        return SubtaskReport(
            subtask_id=self._subtask_id, state=state, reason="I saw it", stamp_ns=now_ns
        )


class Bench:
    """A node with a planner and monitors of this file, and everything it says."""

    def __init__(self, clock: ManualClock, **monitoring: object) -> None:
        self.clock = clock
        self.events: list[TraceEvent] = []
        self.inputs = {name: InProcessLatestValue[Any]() for name in INPUTS}
        self.outputs = {name: InProcessLatestValue[Any]() for name in ("planning", "latent")}
        monitoring.setdefault("use", [{"kind": f"{__name__}:Telling"}])
        settings = {
            "planner": f"{__name__}:Steps",
            "monitoring": {"rate_hz": 100, **monitoring},
            "triggers": {"plan_age_s": 1000.0},
        }
        self.node = PlanningNode(
            config=SlowBrainConfig.model_validate(settings),
            inputs=self.inputs,
            outputs={**self.outputs, "trace": _Ring(self.events)},  # pyright: ignore[reportArgumentType]
            clock=clock,
        )
        self.node.start()

    def begin(self) -> "Bench":
        """A goal, and its first plan."""
        now_ns = self.clock.now_ns()
        self.inputs["goal"].publish(Goal(text="abc", id="g", source="test", stamp_ns=now_ns))
        self.step()
        return self

    def step(self, after_s: float = 0.1) -> PlanningStatus:
        """Let time pass and do one beat in front of a robot that stands still."""
        self.clock.advance_ns(round(after_s * SECOND_NS))
        now_ns = self.clock.now_ns()
        seen = Observation(
            stamp_ns=now_ns, sequence=now_ns, images={}, proprioception={"tip": np.zeros(3)}
        )
        self.inputs["observation"].publish(seen)
        self.node.step(now_ns)
        status: PlanningStatus | None = self.outputs["planning"].read()
        assert status is not None
        return status

    def remark(self, text: str) -> None:
        """A person says something."""
        now_ns = self.clock.now_ns()
        remark = Remark(text=text, id=f"{now_ns} {text}", source="test", stamp_ns=now_ns)
        self.inputs["remark"].publish(remark)

    @property
    def asked(self) -> list[PlanRequest]:
        """What the planner was asked."""
        return made["planner"].asked

    def told(self, kind: str) -> list[dict[str, Any]]:
        """The facts of the trace's events of a kind."""
        return [dict(event.facts) for event in self.events if event.kind == kind]


class _Ring:
    """Keeps what would go to the trace."""

    def __init__(self, events: list[TraceEvent]) -> None:
        self._events = events

    def publish(self, event: TraceEvent) -> None:
        """Keep it."""
        self._events.append(event)


def states(status: PlanningStatus) -> list[str]:
    """Text and state of each subtask."""
    return [f"{subtask.text} {subtask.state}" for subtask in status.subtasks]


def test_done_begins_the_next_step_and_asks_the_planner(clock: ManualClock) -> None:
    """The robot goes on by the old plan while the planner looks again, and the trace says why."""
    bench = Bench(clock).begin()
    made["monitor"].says = SubtaskState.DONE
    status = bench.step()
    assert states(status) == ["a done", "b active", "c pending"]
    assert bench.asked[-1].trigger == f"subtask done: {__name__}:Telling: I saw it"
    assert bench.asked[-1].current is not None
    assert bench.asked[-1].current.text == "b"
    (report,) = bench.told("monitor.report")
    cause = bench.told("planner.asked")[-1]
    assert (report["state"], cause["trigger_kind"]) == ("done", "subtask done")
    assert cause["trigger_observation_sequence"] > 0


def test_the_last_step_done_leaves_the_rest_to_the_planner(clock: ManualClock) -> None:
    """When nothing is planned any more, only the planner says that the goal is reached."""
    bench = Bench(clock).begin()
    seen: list[list[str]] = []
    for _ in range(3):
        made["monitor"].says = SubtaskState.DONE
        seen.append(states(bench.step()))
    assert seen[-1] == ["a done", "b done", "c done"]
    status = bench.step(0.6)
    assert [request.trigger.split(":")[0] for request in bench.asked] == [
        "new goal", *["subtask done"] * 3,
    ]  # fmt: skip
    assert status.plan is not None
    assert status.plan.goal_done


def test_failed_ends_the_step_and_asks_at_once(clock: ManualClock) -> None:
    """The planner is told what failed, and begins it anew or not."""
    bench = Bench(clock).begin()
    made["monitor"].says = SubtaskState.FAILED
    status = bench.step()
    assert states(status)[:2] == ["a failed", "a active"]
    assert bench.asked[-1].trigger.startswith("subtask failed: 'a' failed: ")
    assert status.replans == 1


def test_a_stall_asks_the_planner_and_ends_nothing(clock: ManualClock) -> None:
    """A robot that stands still is thought about again, once."""
    bench = Bench(clock, use=[NO_PROGRESS]).begin()
    triggers = [bench.step() and bench.asked[-1].trigger for _ in range(40)]
    stalled = [trigger for trigger in triggers if trigger.startswith("stalled: no_progress: tip")]
    assert stalled
    assert len(bench.asked) == 2
    assert states(bench.step())[0] == "a active"


def test_a_plan_of_a_subtask_that_is_over_changes_nothing(clock: ManualClock) -> None:
    """What the planner says of a subtask that ended while it thought is not taken for the next."""
    bench = Bench(clock).begin()

    def finish() -> None:
        clock.advance_ns(SECOND_NS)
        made["monitor"].says = SubtaskState.DONE

    made["planner"].meanwhile = [finish]
    made["monitor"].says = SubtaskState.ACTIVE
    status = bench.step()
    assert states(status) == ["a done", "b active", "c pending"]
    assert states(bench.step()) == ["a done", "b active", "c pending"]


def test_a_monitor_that_raises_is_blamed_and_nothing_else_happens(clock: ManualClock) -> None:
    """Its name stands in the health and in the trace; the planner goes on."""
    bench = Bench(clock).begin()
    made["monitor"].fault = ValueError("no")
    status = bench.step()
    assert states(status)[0] == "a active"
    assert "Telling' failed in `check`: ValueError: no" in bench.node.last_error
    assert bench.told("monitor.failed")[0]["plugin"].endswith("Telling")


def test_a_remark_is_heard_at_the_next_beat(clock: ManualClock) -> None:
    """The planner is asked at once with the person's words, and what is done stays done."""
    bench = Bench(clock).begin()
    made["monitor"].says = SubtaskState.DONE
    bench.step()
    bench.remark("no, the other one")
    status = bench.step(0.01)
    assert bench.asked[-1].trigger == "remark: no, the other one"
    assert bench.asked[-1].remarks == ("no, the other one",)
    assert [subtask.text for subtask in bench.asked[-1].finished] == ["a"]
    assert states(status)[0] == "a done"
    assert len(bench.asked) == 3
    bench.step()
    assert len(bench.asked) == 3
    assert bench.told("planner.remark") == [
        {"goal_id": "g", "text": "no, the other one", "source": "test"}
    ]


def test_a_remark_cuts_thinking_short(clock: ManualClock) -> None:
    """Between two thoughts the planner is closed, and asked anew with the remark."""
    bench = Bench(clock).begin()
    made["planner"].meanwhile = [lambda: bench.remark("faster")]
    made["monitor"].says = SubtaskState.FAILED
    bench.step()
    assert made["planner"].is_closed_early
    bench.step(0.01)
    assert [request.trigger for request in bench.asked][-1] == "remark: faster"


def test_remarks_are_kept_for_their_goal_only(clock: ManualClock) -> None:
    """The planner sees the newest eight, and none of the goal before."""
    bench = Bench(clock)
    bench.remark("to nobody")
    clock.advance_ns(SECOND_NS)
    bench.begin()
    assert bench.asked[-1].remarks == ()
    for number in range(10):
        bench.remark(f"remark {number}")
        bench.step()
    assert bench.asked[-1].remarks == tuple(f"remark {number}" for number in range(2, 10))
    now_ns = clock.now_ns()
    bench.inputs["goal"].publish(Goal(text="abc", id="h", source="test", stamp_ns=now_ns + 1))
    bench.step()
    assert (bench.asked[-1].goal.id, bench.asked[-1].remarks) == ("h", ())


def test_the_world_is_shown_only_where_that_is_allowed(clock: ManualClock) -> None:
    """A monitor sees what no robot can see only in an evaluation, and the trace says so."""
    for may_ask in (False, True):
        bench = Bench(clock, may_ask_simulator=may_ask)
        world = WorldReport(facts={}, success=None, stamp_ns=0)
        bench.inputs["world"].publish(world)
        bench.begin().step()
        assert (made["monitor"].worlds[-1] is world) == may_ask
        assert bool(bench.told("monitor.may_ask_simulator")) == may_ask


def test_the_planners_verdict_may_be_one_vote_of_two(clock: ManualClock) -> None:
    """As a vote, it does not end a subtask by itself."""
    use = [{"kind": "planner_verdict"}, {"kind": f"{__name__}:Telling"}]
    bench = Bench(clock, use=use, done_votes=2, verdict_is_a_vote=True).begin()
    planner, plain = made["planner"], made["planner"].plan

    def plan(request: PlanRequest) -> Iterator[Any]:
        for result in plain(request):
            is_plan = isinstance(result, Plan)
            yield _done(result) if is_plan else result

    planner.plan = plan
    bench.remark("look again")
    assert states(bench.step())[0] == "a active"
    assert states(bench.step())[0] == "a active"
    made["monitor"].says = SubtaskState.DONE
    assert states(bench.step())[:2] == ["a done", "b active"]


def _done(plan: Plan) -> Plan:
    """As a planner says it: the one under way is done, and what is left comes after it."""
    from msgspec.structs import replace

    return replace(plan, current_subtask_done=True, subtasks=plan.subtasks[1:])


def test_a_simulator_check_is_refused_in_a_run(clock: ManualClock) -> None:
    """The node does not start with a monitor that only an evaluation may have."""
    check = {"kind": "simulator_check", "options": {"done_when": {"a": "a"}}}
    with pytest.raises(ConfigError, match="may_ask_simulator"):
        Bench(clock, use=[check])
