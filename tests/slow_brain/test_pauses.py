"""What the slow brain does while a person makes the robot wait."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge import Evidence
from bridge.clock import ManualClock
from bridge.messages import (
    Goal,
    Observation,
    PauseRequest,
    Plan,
    PlanRequest,
    Remark,
    Subtask,
    SubtaskReport,
    SubtaskState,
    Thought,
)
from bridge.specs import PlannerSpec
from bridge.testing.examples import SECOND_NS
from bridge.transports.in_process import InProcessLatestValue
from slow_brain import planning_node
from slow_brain.config import SlowBrainConfig
from slow_brain.monitors.combination import MonitorSet, Watcher
from slow_brain.monitors.config import MonitoringConfig
from slow_brain.monitors.timeout import TimeoutMonitor
from slow_brain.pauses import Pauses
from slow_brain.planning_node import PlanningNode

BEAT_S = 0.1


class SlowBrain:
    """A planning node, its mailboxes and its time; the planner plans one subtask of 10 s."""

    spec = PlannerSpec()

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = ManualClock(SECOND_NS)
        self.goal: InProcessLatestValue[Goal] = InProcessLatestValue()
        self.remark: InProcessLatestValue[Remark] = InProcessLatestValue()
        self.pause: InProcessLatestValue[PauseRequest] = InProcessLatestValue()
        self.observation: InProcessLatestValue[Observation] = InProcessLatestValue()
        self.asked: list[PlanRequest] = []
        self.on_thought: str = ""
        self.rested_ns = 0
        monkeypatch.setattr(planning_node, "make_plugin", lambda *_: self)
        self.planning = InProcessLatestValue()
        self.node = self._make()

    def _make(self) -> PlanningNode:
        node = PlanningNode(
            config=SlowBrainConfig(planner="under test", rate_hz=1.0, poll_rate_hz=10.0),
            inputs={
                "goal": self.goal,
                "remark": self.remark,
                "pause": self.pause,
                "observation": self.observation,
            },
            outputs={"planning": self.planning},
            clock=self.clock,
        )
        node.start()
        return node

    def restart(self) -> None:
        """Another node in its place, as after a fall."""
        self.node = self._make()

    def plan(self, request: PlanRequest) -> Iterator[Thought | Plan]:
        """Two thoughts and a plan; while the first is thought, a person may say something."""
        self.asked.append(request)
        yield Thought(field="PLAN", text="first", plan_id=request.plan_id, stamp_ns=0)
        if self.on_thought:
            self.ask(self.on_thought)
            self.on_thought = ""
        yield Thought(field="PLAN", text="second", plan_id=request.plan_id, stamp_ns=0)
        yield Plan(
            id=request.plan_id,
            goal_id=request.goal.id,
            subtasks=(Subtask(id="1", text="a step", timeout_s=10.0),),
            trigger=request.trigger,
            observation_stamp_ns=0,
            stamp_ns=0,
        )

    def close(self) -> None:
        """Nothing to free."""

    def ask(self, mode: str) -> None:
        """A person's word about waiting."""
        now_ns = self.clock.now_ns()
        before = self.pause.read()
        rested_ns = 0 if before is None else before.rested_until_ns(now_ns)
        self.pause.publish(
            PauseRequest(
                mode=mode,  # pyright: ignore[reportArgumentType]
                reason="",
                source="test",
                stamp_ns=now_ns,
                rested_ns=rested_ns,
            )
        )

    def say(self, text: str) -> None:
        """A person's remark."""
        stamp_ns = self.clock.now_ns()
        self.remark.publish(Remark(text=text, id=text, source="test", stamp_ns=stamp_ns))

    def begin(self) -> None:
        """Give a goal, and have it planned."""
        self.goal.publish(Goal(text="a goal", id="g", source="test", stamp_ns=self.clock.now_ns()))
        self.run(BEAT_S)
        assert self.state == "active"

    def run(self, for_s: float) -> None:
        """Let time pass beat by beat, with new observations."""
        for _ in range(round(for_s / BEAT_S)):
            self.clock.advance_ns(round(BEAT_S * SECOND_NS))
            now_ns = self.clock.now_ns()
            self.observation.publish(
                Observation(stamp_ns=now_ns, sequence=now_ns, images={}, proprioception={})
            )
            self.node.step(now_ns)

    @property
    def state(self) -> str:
        """Where the newest subtask stands."""
        return self.planning.read().subtasks[-1].state  # pyright: ignore[reportOptionalMemberAccess]

    @property
    def triggers(self) -> list[str]:
        """Why the planner was asked."""
        return [request.trigger for request in self.asked]


@pytest.fixture
def brain(monkeypatch: pytest.MonkeyPatch) -> SlowBrain:
    """A slow brain that follows a goal."""
    slow_brain = SlowBrain(monkeypatch)
    slow_brain.begin()
    return slow_brain


def test_no_limit_runs_on_in_a_pause_and_nobody_is_asked(brain: SlowBrain) -> None:
    """A subtask of 10 s survives a pause of a minute, and then has what it had left."""
    brain.run(4.0)
    brain.ask("paused")
    asked = len(brain.asked)
    brain.run(60.0)
    assert len(brain.asked) == asked
    brain.ask("running")
    brain.run(5.0)
    assert brain.state == "active"
    assert brain.planning.read().replans == 0  # pyright: ignore[reportOptionalMemberAccess]
    brain.run(2.0)
    assert "subtask failed: 'a step' took longer than 10 s" in brain.triggers


def test_whoever_goes_on_is_asked_about_at_once(brain: SlowBrain) -> None:
    """The world may have changed: the planner looks again before its time."""
    brain.ask("paused")
    brain.run(3.0)
    asked = len(brain.asked)
    brain.ask("running")
    brain.run(BEAT_S)
    assert brain.triggers[asked:] == ["went on after a pause"]


def test_in_a_hold_the_planner_goes_on_thinking(brain: SlowBrain) -> None:
    """It looks at its own rate and answers remarks, and the subtask's time stands still."""
    brain.ask("held")
    asked = len(brain.asked)
    brain.run(30.0)
    assert len(brain.asked) - asked == pytest.approx(30, abs=2)
    brain.say("no, the other one")
    brain.run(BEAT_S)
    assert brain.triggers[-1] == "remark: no, the other one"
    brain.ask("running")
    brain.run(8.0)
    assert brain.state == "active"


def test_a_pause_cuts_a_thought_short_and_a_hold_does_not(brain: SlowBrain) -> None:
    """Nothing that was thought before the pause moves the robot after it."""
    for mode, thoughts in (("held", 2), ("paused", 1)):
        brain.on_thought = mode
        while brain.on_thought:
            brain.run(BEAT_S)
        status = brain.planning.read()
        assert status is not None
        assert len(status.thoughts) == thoughts


def test_a_remark_in_a_pause_waits_for_its_end(brain: SlowBrain) -> None:
    """What a person says meanwhile is not lost."""
    brain.ask("paused")
    brain.run(1.0)
    asked = len(brain.asked)
    brain.say("the other one")
    brain.run(5.0)
    assert len(brain.asked) == asked
    brain.ask("running")
    brain.run(BEAT_S)
    assert brain.triggers[asked:] == ["remark: the other one"]


@pytest.mark.parametrize("goes_on_first", [True, False])
def test_a_planner_that_falls_in_a_pause_forgets_none_of_it(
    brain: SlowBrain, *, goes_on_first: bool
) -> None:
    """The one in its place counts what was left, whether it comes before the end or after it."""
    brain.run(4.0)
    brain.ask("paused")
    brain.run(20.0)
    if goes_on_first:
        brain.clock.advance_ns(20 * SECOND_NS)
        brain.ask("running")
        brain.restart()
    else:
        brain.restart()
        brain.run(20.0)
        brain.ask("running")
    brain.run(5.0)
    assert brain.state == "active"
    brain.run(2.0)
    assert "subtask failed: 'a step' took longer than 10 s" in brain.triggers


@given(
    st.lists(st.tuples(st.sampled_from(["paused", "held", "running"]), st.integers(0, 50))),
    st.sets(st.integers(0, 500)),
)
def test_all_rest_is_counted_once_whenever_somebody_looks(
    words: list[tuple[str, int]], looks: set[int]
) -> None:
    """The times between looks add up to how long the robot was made to wait by the last of them."""
    pauses, now, rested, counted = Pauses(), 0, 0, 0
    request: PauseRequest | None = None
    for mode, lasts in words:
        request = PauseRequest(mode=mode, reason="", source="", stamp_ns=now, rested_ns=rested)  # pyright: ignore[reportArgumentType]
        for _ in range(lasts):
            if now in looks:
                counted += pauses.heed(request, now)
                assert counted == rested == pauses.rested_ns
            now += 1
            rested += mode != "running"
    assert pauses.rested_ns == counted <= rested
    assert counted + pauses.heed(request, now) == rested


class Stubborn:
    """A monitor that counts its beginnings, and votes each time."""

    def __init__(self) -> None:
        self.begun_ns: list[int] = []

    def begin(self, subtask: Subtask, now_ns: int) -> None:
        """Count."""
        self.begun_ns.append(now_ns)

    def check(self, evidence: Evidence, now_ns: int) -> SubtaskReport | None:
        """Say nothing."""
        return None


def test_monitors_leave_a_pause_out() -> None:
    """One that measures time is told how long to leave out; others begin anew."""
    clock, other = ManualClock(0), Stubborn()
    watchers = (Watcher("timeout", TimeoutMonitor()), Watcher("other", other))
    monitors = MonitorSet(MonitoringConfig(), watchers, clock=clock)
    monitors.rest(SECOND_NS, 0)
    monitors.watch(Subtask(id="1", text="a step", timeout_s=10.0), 0)
    monitors.rest(60 * SECOND_NS, 64 * SECOND_NS)
    assert other.begun_ns == [0, 64 * SECOND_NS]
    seen = Observation(stamp_ns=0, sequence=0, images={}, proprioception={})
    evidence = Evidence(observation=seen, plan=None, chunk=None, loop_status=None, world=None)
    assert monitors.check(evidence, 70 * SECOND_NS) is None
    late = monitors.check(evidence, 71 * SECOND_NS)
    assert late is not None
    assert late.state is SubtaskState.FAILED
