"""The node with real mailboxes and virtual time; planners are found by `module:Name` as shipped."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from bridge.clock import ManualClock
from bridge.errors import ConfigError, PluginError, UnknownGoalError
from bridge.messages import (
    Goal,
    Latent,
    Observation,
    Plan,
    PlanningStatus,
    PlanRequest,
    Subtask,
    Thought,
)
from bridge.nodes import Node
from bridge.specs import PlannerSpec
from bridge.testing.examples import EXAMPLE_LATENT, SECOND_NS, example_latent
from bridge.testing.fakes import FakePlanner
from bridge.transports.in_process import InProcessLatestValue
from slow_brain import planning_node
from slow_brain.config import SlowBrainConfig
from slow_brain.planning_node import PlanningNode

Results = Iterator[Any]


class Recorded(InProcessLatestValue[Any]):
    """A mailbox that also keeps what it held before."""

    def __init__(self) -> None:
        super().__init__()
        self.all: list[Any] = []

    def publish(self, message: Any) -> None:
        """Publish, and remember."""
        self.all.append(message)
        super().publish(message)


class PlannerOf:
    """A planner made of one function."""

    spec = PlannerSpec(latent=EXAMPLE_LATENT)

    def __init__(self, plan: Callable[[PlanRequest], Results]) -> None:
        self.plan = plan
        self.closings = 0

    def close(self) -> None:
        """Count."""
        self.closings += 1


class Bench:
    """A node, its mailboxes and its time."""

    def __init__(self, clock: ManualClock, patch: pytest.MonkeyPatch) -> None:
        self.clock = clock
        self.patch = patch
        self.goal: InProcessLatestValue[Goal] = InProcessLatestValue()
        self.observation: InProcessLatestValue[Observation] = InProcessLatestValue()
        self.planning, self.latent = Recorded(), Recorded()
        self.node = PlanningNode(
            config=SlowBrainConfig(planner="under test", thinking_limit_s=20.0, replan_budget=2),
            inputs={"goal": self.goal, "observation": self.observation},
            outputs={"planning": self.planning, "latent": self.latent},
            clock=clock,
        )

    def start(self, planner: object) -> None:
        """Start with this planner in place of a plug-in."""
        self.patch.setattr(planning_node, "make_plugin", lambda *_: planner)
        self.node.start()

    def ask(self, goal_id: str = "goal-1", text: str = "a goal") -> None:
        """Publish a goal."""
        self.goal.publish(Goal(text=text, id=goal_id, source="test", stamp_ns=self.clock.now_ns()))

    def step(self, after_s: float = 1.0) -> PlanningStatus:
        """Let time pass, show a new observation, and do one beat."""
        self.clock.advance_ns(round(after_s * SECOND_NS))
        now_ns = self.clock.now_ns()
        self.observation.publish(
            Observation(
                stamp_ns=now_ns, sequence=0, images={}, proprioception={}, episode_id="episode-9"
            )
        )
        self.node.step(now_ns)
        return self.status

    def run(self, plan: Callable[[PlanRequest], Results]) -> PlanningStatus:
        """Start a planner made of one function, ask for something, and do one beat."""
        self.start(PlannerOf(plan))
        self.ask()
        return self.step()

    @property
    def status(self) -> PlanningStatus:
        """The newest status."""
        return self.planning.all[-1]


@pytest.fixture
def bench(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A bench at one second."""
    return Bench(clock, monkeypatch)


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


def thought_of(request: PlanRequest, text: str) -> Thought:
    """A thought on the way to the plan."""
    return Thought(field="PLAN", text=text, plan_id=request.plan_id, stamp_ns=0)


def latent_of(text: str = "") -> Latent:
    """A latent that speaks for a step, with stamps that mean nothing."""
    return replace(example_latent(), subtask_text=text)


def test_it_is_a_node(bench: Bench) -> None:
    """It has every verb of `Node`, and its spec is known once it has started."""
    assert isinstance(bench.node, Node)
    assert bench.node.spec is None
    bench.start(FakePlanner())
    assert bench.node.spec == FakePlanner().spec


def test_it_must_be_started(bench: Bench) -> None:
    """A step before the start is a `ConfigError` that says what to do."""
    with pytest.raises(ConfigError, match="start"):
        bench.step()


def test_the_shipped_planner_runs_as_the_preset_names_it(bench: Bench, clock: ManualClock) -> None:
    """The scripted planner plays both its subtasks to the end of the goal."""
    node = PlanningNode(
        config=SlowBrainConfig(planner="scripted", planner_options={"subtask_duration_s": 1.0}),
        inputs={"goal": bench.goal, "observation": bench.observation},
        outputs={"planning": bench.planning, "latent": bench.latent},
        clock=clock,
    )
    node.start()
    bench.node = node
    bench.ask(text="reach both")
    phases = [bench.step().phase for _ in range(12)]
    assert phases[0] == "acting"
    assert phases[-1] == "goal_done"
    assert [each.text for each in bench.status.subtasks] == [
        "reach left",
        "reach right",
        "return home",
    ]
    assert {each.state for each in bench.status.subtasks} == {"done"}
    spoken_for = list(dict.fromkeys(each.subtask_text for each in bench.latent.all))
    assert spoken_for == ["reach left", "reach right", "return home"]


def test_idle_it_says_so(bench: Bench) -> None:
    """Without a goal each beat publishes an idle status."""
    bench.start(FakePlanner())
    assert bench.step().phase == "idle"


def test_thoughts_are_shown_as_they_come(bench: Bench) -> None:
    """A status follows each thought, stamped when it came, before the planner goes on."""
    shown: list[list[str]] = []

    def plan(request: PlanRequest) -> Results:
        for text in ("look", "drawer"):
            bench.clock.advance_ns(SECOND_NS // 2)
            yield thought_of(request, text)
            shown.append([each.text for each in bench.status.thoughts])
            assert bench.status.thoughts[-1].stamp_ns == bench.clock.now_ns()
        yield plan_of(request, "a")

    status = bench.run(plan)
    assert shown == [["look"], ["look", "drawer"]]
    assert status.plan_latency_s == 1.0
    assert bench.node.last_error == ""


def test_a_latent_is_signed_by_the_run(bench: Bench) -> None:
    """Stamps and episode come from the request and the clock, not from the planner."""

    def plan(request: PlanRequest) -> Results:
        yield plan_of(request, "a")
        bench.clock.advance_ns(SECOND_NS // 4)
        yield latent_of("a")

    bench.run(plan)
    (latent,) = bench.latent.all
    assert (latent.episode_id, latent.subtask_text) == ("episode-9", "a")
    assert (latent.observation_stamp_ns, latent.ready_stamp_ns) == (2 * SECOND_NS, 2.25 * SECOND_NS)


@pytest.mark.parametrize("text", ["", "a"])
def test_a_latent_that_comes_before_its_plan_waits_for_it(bench: Bench, text: str) -> None:
    """It is handed over as soon as the plan has begun the step that it speaks for."""

    def plan(request: PlanRequest) -> Results:
        yield latent_of(text)
        assert bench.latent.all == []
        yield plan_of(request, "a")
        assert len(bench.latent.all) == 1

    bench.run(plan)
    assert bench.node.last_error == ""
    assert bench.latent.all[0].subtask_text == "a"


def test_a_latent_of_an_unconfirmed_switch_never_leaves(bench: Bench) -> None:
    """The policy is not told of a step before the switch to it is confirmed."""
    firsts = iter("abb")

    def plan(request: PlanRequest) -> Results:
        first = next(firsts)
        yield latent_of(first)
        yield plan_of(request, first)

    bench.run(plan)
    bench.step()
    assert [each.subtask_text for each in bench.latent.all] == ["a"]
    bench.step()
    assert [each.subtask_text for each in bench.latent.all] == ["a", "b"]


def raises_when_called(request: PlanRequest) -> Results:
    """No generator: it fails in the call itself."""
    raise RuntimeError("broken")


def raises_on_the_way(request: PlanRequest) -> Results:
    """Fails after its first thought."""
    yield thought_of(request, "look")
    raise RuntimeError("broken")


def yields_nan(request: PlanRequest) -> Results:
    """A latent of nan."""
    latent = example_latent()
    yield replace(latent, cognitive=np.full_like(latent.cognitive, np.nan))


def yields_rubbish(request: PlanRequest) -> Results:
    """Something that is no message."""
    yield {"plan": "all of it"}


def yields_nothing(request: PlanRequest) -> Results:
    """Ends without a plan."""
    yield from ()


def returns_nothing(request: PlanRequest) -> Results:
    """Not even an iterator."""
    return None  # pyright: ignore[reportReturnType]


def plans_for_another(request: PlanRequest) -> Results:
    """A plan nobody asked for."""
    yield replace(plan_of(request, "b"), id="other")


def plans_nothing(request: PlanRequest) -> Results:
    """A plan without steps for a goal that is not met."""
    yield plan_of(request)


FAULTS: dict[Any, str] = {
    raises_when_called: "PluginError: Plug-in 'under test' failed in `plan`: RuntimeError: broken",
    raises_on_the_way: "PluginError: Plug-in 'under test' failed in `plan`: RuntimeError: broken",
    yields_nan: "ContractError: latent.cognitive: expected finite values",
    yields_rubbish: "ContractError: planner.plan: expected Thought, Plan or Latent, got dict",
    yields_nothing: "ContractError: planner.plan: expected a plan, got none",
    returns_nothing: "PluginError: Plug-in 'under test' failed in `plan`: TypeError",
    plans_for_another: "ContractError: plan.id",
    plans_nothing: "ContractError: plan: expected a subtask or the goal done",
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_fault_keeps_the_old_plan_and_is_repaired(
    bench: Bench, fault: Callable[[PlanRequest], Results]
) -> None:
    """Whatever a planner does wrong: the plan stays, nothing leaves, and it is asked again."""
    good = bench.run(lambda request: iter([plan_of(request, "a", "b")]))
    planner = bench.node._planner
    assert isinstance(planner, PlannerOf)
    requests: list[PlanRequest] = []
    planner.plan = lambda request: (requests.append(request), fault(request))[1]
    status = bench.step()
    assert bench.node.last_error.startswith(FAULTS[fault])
    assert (status.phase, status.plan, status.subtasks) == ("acting", good.plan, good.subtasks)
    assert bench.latent.all == []
    bench.step(after_s=0.6)
    assert requests[1].trigger.startswith("repair after")


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_planner_that_stays_broken_fails_the_goal(
    bench: Bench, fault: Callable[[PlanRequest], Results]
) -> None:
    """After the budget the goal has failed with the last error, and the planner is left alone."""
    calls: list[PlanRequest] = []
    bench.run(lambda request: (calls.append(request), fault(request))[1])
    for _ in range(5):
        bench.step()
    assert len(calls) == 3
    assert bench.status.phase == "goal_failed"
    assert "all 2 replans are spent" in bench.status.reason


def test_an_error_is_forgotten_when_a_plan_works(bench: Bench) -> None:
    """`last_error` is the newest trouble: after a good plan there is none."""
    plans = iter([raises_on_the_way, lambda request: iter([plan_of(request, "a")])])

    def plan(request: PlanRequest) -> Results:
        yield from next(plans)(request)

    bench.run(plan)
    assert bench.node.last_error
    bench.step()
    assert bench.node.last_error == ""


def test_an_unknown_goal_fails_at_once(bench: Bench) -> None:
    """A goal that the planner has no way to plan for is not tried again."""

    def plan(request: PlanRequest) -> Results:
        raise UnknownGoalError(text=request.goal.text, known=["reach left"])

    status = bench.run(plan)
    assert status.phase == "goal_failed"
    assert "reach left" in status.reason
    assert bench.step().plans_made == 1


def test_a_newer_goal_closes_the_planner_between_yields(bench: Bench) -> None:
    """The generator's `finally` runs, nothing more of it counts, and the new goal is next."""
    told: list[str] = []

    def plan(request: PlanRequest) -> Results:
        try:
            yield thought_of(request, "one")
            bench.ask("goal-2")
            yield plan_of(request, "a")
            told.append("went on")
        finally:
            told.append(f"closed {request.goal.id}")

    status = bench.run(plan)
    assert told == ["closed goal-1"]
    assert (status.subtasks, bench.node.last_error) == ((), "")
    bench.step(after_s=0.01)
    assert bench.status.goal is not None
    assert bench.status.goal.id == "goal-2"


@pytest.mark.parametrize("result", [{"no": "message"}, "latent"])
def test_an_error_of_ours_closes_the_planner_too(bench: Bench, result: object) -> None:
    """When a result is refused, the generator is closed before the next beat."""
    told: list[str] = []

    def plan(request: PlanRequest) -> Results:
        try:
            yield result
        finally:
            told.append("closed")

    bench.run(plan)
    assert told == ["closed"]


def test_a_planner_whose_clean_up_fails_is_named(bench: Bench) -> None:
    """What its `finally` raises while it is closed is a `PluginError`, not the end of the node."""

    def plan(request: PlanRequest) -> Results:
        try:
            bench.ask("goal-2")
            yield thought_of(request, "one")
        finally:
            raise ValueError("stuck")

    bench.run(plan)
    assert bench.node.last_error.startswith("PluginError")
    assert "stuck" in bench.node.last_error


@pytest.mark.parametrize("fault", ["late", "hang"])
def test_what_comes_too_late_is_not_acted_upon(bench: Bench, fault: Any) -> None:
    """Results after the limit are refused: they speak of what was seen long ago."""
    bench.start(FakePlanner(clock=bench.clock, thinking_s=2.1, fault=fault))
    bench.ask()
    status = bench.step()
    assert status.subtasks == ()
    assert bench.latent.all == []
    assert "Plug-in under test.plan took" in bench.node.last_error
    assert "limit 20 s" in bench.node.last_error


def test_the_graph_may_leave_mailboxes_out(clock: ManualClock) -> None:
    """Without mailboxes it beats and does nothing."""
    config = SlowBrainConfig(planner="scripted")
    node = PlanningNode(config=config, inputs={}, outputs={}, clock=clock)
    node.start()
    node.step(clock.now_ns())
    node.close()


def test_the_planner_is_closed_once(bench: Bench) -> None:
    """Closing twice, or a node that was never started, closes no planner twice."""
    bench.node.close()
    planner = PlannerOf(yields_nothing)
    bench.start(planner)
    bench.node.close()
    bench.node.close()
    assert planner.closings == 1


def test_a_planner_that_cannot_be_closed_is_named_once(bench: Bench) -> None:
    """The first close says which plug-in failed; a second one has nothing left to do."""

    class Stuck(PlannerOf):
        def close(self) -> None:
            raise OSError("stuck")

    bench.start(Stuck(yields_nothing))
    with pytest.raises(PluginError, match=r"under test.*close"):
        bench.node.close()
    bench.node.close()
