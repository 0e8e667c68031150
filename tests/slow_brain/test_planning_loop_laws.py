from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bridge.errors import ContractError
from bridge.messages import (
    Goal,
    Observation,
    Plan,
    PlanningStatus,
    PlanRequest,
    Remark,
    Subtask,
    SubtaskReport,
    SubtaskState,
)
from slow_brain.config import SlowBrainConfig
from slow_brain.planning_loop import PlanningLoop
from slow_brain.triggers import TriggerKind, TriggersConfig

SECOND_NS = 1_000_000_000
OVER = ("goal_done", "goal_failed")
MOVES = {
    SubtaskState.PENDING: set(SubtaskState),
    SubtaskState.ACTIVE: {
        SubtaskState.ACTIVE,
        SubtaskState.DONE,
        SubtaskState.FAILED,
        SubtaskState.SKIPPED,
    },
}

configs = st.builds(
    SlowBrainConfig,
    replan_budget=st.integers(0, 3),
    done_confirmations=st.integers(1, 2),
    switch_confirmations=st.integers(1, 2),
    goal_confirmations=st.integers(1, 2),
    subtask_timeout_s=st.just(2.0),
    triggers=st.builds(
        TriggersConfig,
        replans_per_subtask=st.integers(0, 3),
        cooldown_s=st.sampled_from([0.0, 0.5]),
    ),
)
COSTLY = (TriggerKind.FAILED, TriggerKind.REPAIR, TriggerKind.STALLED, TriggerKind.SCENE_CHANGE)
REPORTED = (SubtaskState.DONE, SubtaskState.FAILED, SubtaskState.ACTIVE)
answers = st.tuples(
    st.sampled_from(
        [
            "plan",
            "done",
            "just done",
            "goal done",
            "wait",
            "nothing",
            "other id",
            "error",
            "give up",
        ]
    ),
    st.lists(st.sampled_from("abc"), min_size=1, max_size=3),
)
reports = st.tuples(st.sampled_from(REPORTED), st.booleans())
events = st.one_of(
    st.tuples(st.just("goal"), st.none()),
    st.tuples(st.just("remark"), st.none()),
    st.tuples(st.just("report"), reports),
    st.tuples(
        st.just("look"),
        st.tuples(st.sampled_from([0.1, 0.6, 2.5]), answers, st.none() | reports),
    ),
)


class Run:
    """One sequence of events, checked after each."""

    def __init__(self, config: SlowBrainConfig) -> None:
        self.config, self.loop = config, PlanningLoop(config, None)
        self.now_ns, self.goals, self.remarks = SECOND_NS, 0, 0
        self.costly, self.waits_for_person, self.answered = 0, False, 0
        self.before = self.loop.status(self.now_ns)

    def ask(self) -> None:
        """A new goal."""
        self.goals += 1
        goal = Goal(text="g", id=f"goal-{self.goals}", source="test", stamp_ns=self.now_ns)
        self.loop.follow(goal)
        self.costly, self.waits_for_person, self.answered = 0, True, 0
        self.before = self.loop.status(self.now_ns)

    def remark(self) -> None:
        """A person says something."""
        self.remarks += 1
        said = Remark(
            text="no, the other", id=f"{self.remarks}", source="test", stamp_ns=self.now_ns
        )
        is_heard = self.loop.hear(said, self.now_ns)
        assert is_heard == (self.before.phase in ("thinking", "acting"))
        assert not self.loop.hear(said, self.now_ns)
        self.waits_for_person |= is_heard
        self.check()

    def report(self, state: SubtaskState, *, is_mine: bool) -> None:
        """A monitor has found something about the subtask under way, or about another."""
        active = self.loop.active
        subtask_id = active.id if active and is_mine else "another"
        found = SubtaskReport(subtask_id=subtask_id, state=state, reason="r", stamp_ns=self.now_ns)
        self.loop.report(found, self.now_ns)
        if active and not is_mine:
            assert self.loop.active == active
        self.check()

    def look(
        self,
        after_s: float,
        kind: str,
        texts: list[str],
        meanwhile: tuple[SubtaskState, bool] | None = None,
    ) -> None:
        """Time passes, and if the loop wants to think, the planner answers."""
        self.now_ns += round(after_s * SECOND_NS)
        seen = Observation(stamp_ns=self.now_ns, sequence=0, images={}, proprioception={})
        request = self.loop.next_request(seen, self.now_ns)
        self.check()
        if request is None:
            assert not self.waits_for_person or self.before.phase == "goal_failed"
            return
        self._check_trigger(request)
        if meanwhile is not None:
            self.report(meanwhile[0], is_mine=meanwhile[1])
        try:
            self._answer(request, kind, texts)
        except ContractError as error:
            assert kind in ("nothing", "other id")
            self.loop.fail(error, self.now_ns)
        self.check()

    def _check_trigger(self, request: PlanRequest) -> None:
        """A person's word comes first; every trigger is said, with what caused it."""
        trigger = self.loop.trigger
        assert trigger is not None
        assert request.trigger == trigger.words
        assert trigger.stamp_ns <= self.now_ns
        assert trigger.observation_stamp_ns <= self.now_ns
        if self.waits_for_person:
            assert trigger.kind in (TriggerKind.NEW_GOAL, TriggerKind.REMARK)
        self.waits_for_person = False
        self.answered += trigger.kind is TriggerKind.REMARK
        self.costly += trigger.kind in COSTLY

    def _answer(self, request: PlanRequest, kind: str, texts: list[str]) -> None:
        if kind == "error":
            self.loop.fail(RuntimeError("no answer"), self.now_ns)
        elif kind == "give up":
            self.loop.give_up("unknown goal")
        elif kind == "wait":
            self.loop.wait("for words")
        else:
            self.loop.accept(plan_of(request, kind, texts), self.now_ns)

    def check(self) -> None:
        """The laws, between the last state and this one."""
        before, now = self.before, self.loop.status(self.now_ns)
        check_phase(before, now)
        check_subtasks(before, now)
        assert self.costly <= self.config.replan_budget
        assert now.replans <= self.config.replan_budget
        skipped = sum(each.state is SubtaskState.SKIPPED for each in now.subtasks)
        # What a person wants changed costs nothing, and comes once a remark at most.
        assert skipped <= self.config.replan_budget + 1 + self.answered
        if before.goal is not None and now.goal == before.goal:
            assert now.subtasks_done >= before.subtasks_done
            assert now.subtasks_begun >= before.subtasks_begun
        assert now.goal is None or now.goal.id == f"goal-{self.goals}"
        self.before = now


def plan_of(request: PlanRequest, kind: str, texts: list[str]) -> Plan:
    """An answer that may or may not be one."""
    steps = tuple(Subtask(id=f"{n}", text=text) for n, text in enumerate(texts))
    plan = Plan(
        id=request.plan_id,
        goal_id=request.goal.id,
        subtasks=() if kind in ("nothing", "just done", "goal done") else steps,
        trigger=request.trigger,
        observation_stamp_ns=0,
        current_subtask_done=kind in ("done", "just done"),
        goal_done=kind == "goal done",
        stamp_ns=0,
    )
    return replace(plan, id="other") if kind == "other id" else plan


def check_phase(before: PlanningStatus, now: PlanningStatus) -> None:
    """An end is final and leaves nothing open; acting means that a subtask is under way."""
    if before.phase in OVER:
        assert now.phase == before.phase
    if before.phase in ("thinking", "acting"):
        assert now.phase != "idle"
    active = [each for each in now.subtasks if each.state is SubtaskState.ACTIVE]
    assert len(active) == (now.phase == "acting")
    if now.phase in OVER:
        assert now.reason
        assert not any(each.state is SubtaskState.PENDING for each in now.subtasks)


def check_subtasks(before: PlanningStatus, now: PlanningStatus) -> None:
    """What was under way or over stays listed, and only moves as it may."""
    states = {each.id: each.state for each in now.subtasks}
    assert len(states) == len(now.subtasks)
    for old in before.subtasks:
        if old.state is not SubtaskState.PENDING:
            assert states[old.id] in MOVES.get(old.state, {old.state})


@given(configs, st.lists(events, max_size=40))
def test_no_sequence_of_events_breaks_a_law(
    config: SlowBrainConfig, happened: list[tuple[str, Any]]
) -> None:
    """No illegal move, no replan beyond the budget, no lost goal, no end but by a verdict."""
    run = Run(config)
    run.ask()
    for what, details in happened:
        if what == "goal":
            run.ask()
        elif what == "remark":
            run.remark()
        elif what == "report":
            run.report(details[0], is_mine=details[1])
        else:
            after_s, (kind, texts), meanwhile = details
            run.look(after_s, kind, texts, meanwhile)


@given(configs, st.sampled_from(["error", "nothing", "other id"]))
def test_a_planner_that_never_plans_ends_the_goal(config: SlowBrainConfig, kind: str) -> None:
    """Every goal ends in bounded time when no answer is a plan."""
    run = Run(config)
    run.ask()
    for _ in range(4 * (config.replan_budget + 1)):
        run.look(0.6, kind, ["a"])
    assert run.before.phase == "goal_failed"


@given(configs)
def test_a_planner_that_sees_no_progress_ends_the_goal(config: SlowBrainConfig) -> None:
    """Subtasks that time out again and again use up the budget."""
    run = Run(config)
    run.ask()
    for _ in range(config.replan_budget + 2):
        run.look(2.5, "plan", ["a"])
    assert run.before.phase == "goal_failed"
