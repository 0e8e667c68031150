from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.messages import Observation
from slow_brain.triggers import TriggerKind, TriggerPolicy, TriggersConfig

SECOND_NS = 1_000_000_000
COSTLY = (
    TriggerKind.FAILED, TriggerKind.REPAIR, TriggerKind.STALLED, TriggerKind.SCENE_CHANGE,
)  # fmt: skip


def seen(now_ns: int) -> Observation:
    """What is seen at a time; its number is its time, so that it can be told apart."""
    return Observation(stamp_ns=now_ns, sequence=now_ns, images={}, proprioception={})


class Scene:
    """A trigger policy on a clock of its own."""

    def __init__(
        self, *, plan_age_s: float = 1000.0, replans_per_goal: int = 20, **settings: object
    ) -> None:
        self.policy = TriggerPolicy(
            TriggersConfig.model_validate(settings),
            plan_age_s=plan_age_s,
            replans_per_goal=replans_per_goal,
        )
        self.now_ns = SECOND_NS

    def goal(self) -> None:
        """A person wants something, and the planner is asked."""
        self.policy.follow_goal("tidy up", seen(self.now_ns), self.now_ns)
        assert self.ask() == "new goal"

    def note(self, kind: TriggerKind, reason: str = "so it is") -> None:
        """Something happens now."""
        self.policy.note(kind, reason, seen(self.now_ns), self.now_ns)

    def ask(self, after_s: float = 0.0) -> str | None:
        """What to think about, some time later."""
        self.now_ns += round(after_s * SECOND_NS)
        trigger = self.policy.next(seen(self.now_ns), self.now_ns)
        return None if trigger is None else str(trigger.kind)


def test_a_goal_is_planned_for_at_once() -> None:
    """There is nothing to think about before a goal, and no wait after it."""
    scene = Scene()
    assert scene.ask() is None
    scene.goal()
    assert scene.ask() is None


def test_a_remark_is_answered_at_once_and_costs_nothing() -> None:
    """A person does not wait for a cooldown, and is never told that the budget is spent."""
    scene = Scene(replans_per_goal=0)
    scene.goal()
    for _ in range(10):
        scene.note(TriggerKind.REMARK, "no, the other one")
        assert scene.policy.has_word_of_a_person
        assert scene.ask() == "remark"
    assert scene.policy.replans == 0


def test_every_trigger_carries_what_caused_it() -> None:
    """The observation is that of the moment at which it was noticed, not of the asking."""
    scene = Scene()
    scene.goal()
    scene.policy.begin_subtask("reach left")
    noticed_ns = scene.now_ns
    scene.note(TriggerKind.STALLED, "no_progress: nothing moved")
    later_ns = noticed_ns + 3 * SECOND_NS
    trigger = scene.policy.next(seen(later_ns), later_ns)
    assert trigger is not None
    assert (trigger.observation_stamp_ns, trigger.observation_sequence) == (noticed_ns, noticed_ns)
    assert (trigger.stamp_ns, trigger.subtask) == (noticed_ns, "reach left")
    assert trigger.words == "stalled: no_progress: nothing moved"


def test_a_goal_before_anything_was_seen_is_caused_by_what_is_seen_first() -> None:
    """Where nothing had been seen, the trigger carries the first observation after it."""
    policy = TriggerPolicy(TriggersConfig(), plan_age_s=1.0, replans_per_goal=1)
    policy.follow_goal("", None, SECOND_NS)
    trigger = policy.next(seen(SECOND_NS), SECOND_NS)
    assert trigger is not None
    assert trigger.observation_sequence == trigger.observation_stamp_ns == SECOND_NS
    assert trigger.words == "new goal"


def test_what_goes_wrong_again_waits_for_the_cooldown() -> None:
    """The first trouble is answered at once, the next only after a while."""
    scene = Scene(cooldown_s=1.0)
    scene.goal()
    scene.note(TriggerKind.FAILED)
    assert scene.ask() == "subtask failed"
    scene.note(TriggerKind.SCENE_CHANGE)
    assert scene.ask(0.9) is None
    assert scene.ask(0.1) == "scene change"


def test_cooldown_doubles_with_the_same_subtask() -> None:
    """What keeps going wrong is asked about ever more rarely, up to a limit."""
    scene = Scene(cooldown_s=1.0, cooldown_max_s=4.0, replans_per_subtask=9)
    scene.goal()
    scene.policy.begin_subtask("reach left")
    scene.note(TriggerKind.STALLED)
    assert scene.ask() == "stalled"
    for wanted_s in (1.0, 2.0, 4.0, 4.0):
        scene.note(TriggerKind.STALLED)
        assert scene.ask(wanted_s - 0.1) is None
        assert scene.ask(0.1) == "stalled"
    scene.policy.begin_subtask("reach right")
    scene.note(TriggerKind.STALLED)
    assert scene.ask(1.0) == "stalled"


def test_done_is_not_held_up() -> None:
    """A robot that has finished stands idle until it is told what is next."""
    scene = Scene(cooldown_s=5.0)
    scene.goal()
    scene.policy.begin_subtask("reach left")
    scene.note(TriggerKind.DONE)
    assert scene.ask() == "subtask done"
    assert scene.policy.replans == 0


def test_doing_the_same_over_and_over_costs() -> None:
    """A subtask that is done again and again is no progress: the budget ends it."""
    scene = Scene(replans_per_subtask=3)
    scene.goal()
    for _ in range(4):
        scene.policy.begin_subtask("press the button")
        scene.note(TriggerKind.DONE)
        assert scene.ask() == "subtask done"
    scene.note(TriggerKind.DONE)
    assert scene.ask() is None
    assert "all 3 replans of 'press the button' are spent" in scene.policy.gave_up


def test_an_old_plan_is_renewed() -> None:
    """Plan age counts from when the planner was asked last, and costs nothing."""
    scene = Scene(plan_age_s=2.0)
    scene.goal()
    assert [scene.ask(1.0) for _ in range(4)] == [None, "plan age", None, "plan age"]
    assert scene.policy.replans == 0


def test_the_settings_may_say_how_old_a_plan_may_grow() -> None:
    """What is set wins over the planner's own rate."""
    policy = TriggerPolicy(TriggersConfig(plan_age_s=5.0), plan_age_s=1.0, replans_per_goal=1)
    policy.follow_goal("", None, 0)
    asked = [policy.next(seen(s * SECOND_NS), s * SECOND_NS) is not None for s in range(11)]
    assert [second for second, was_asked in enumerate(asked) if was_asked] == [0, 5, 10]


def test_the_most_urgent_reason_is_told_and_answers_the_rest() -> None:
    """One thought answers all that waits: the planner sees everything anyway."""
    scene = Scene(cooldown_s=0.0)
    scene.goal()
    for kind in (TriggerKind.SCENE_CHANGE, TriggerKind.STALLED, TriggerKind.DONE):
        scene.note(kind)
    assert [scene.ask(), scene.ask()] == ["subtask done", None]


def test_a_budget_ends_a_goal_with_the_reason() -> None:
    """When the replans of a subtask are spent, no more is tried, and why is said."""
    scene = Scene(cooldown_s=0.0, replans_per_subtask=2)
    scene.goal()
    scene.policy.begin_subtask("reach left")
    for _ in range(2):
        scene.note(TriggerKind.FAILED)
        assert scene.ask() == "subtask failed"
    scene.note(TriggerKind.FAILED, "it has taken 30 s")
    assert scene.ask(100.0) is None
    assert scene.policy.gave_up == ("it has taken 30 s; all 2 replans of 'reach left' are spent")


def test_a_goal_has_a_budget_over_all_its_subtasks() -> None:
    """Failing at something else each time is not a way around the budget."""
    scene = Scene(cooldown_s=0.0, replans_per_goal=3)
    scene.goal()
    for number in range(4):
        scene.policy.begin_subtask(f"step {number}")
        scene.note(TriggerKind.FAILED)
        scene.ask()
    assert "all 3 replans are spent" in scene.policy.gave_up


def test_a_new_goal_has_a_new_budget() -> None:
    """Giving up one goal does not spoil the next."""
    scene = Scene(replans_per_goal=0)
    scene.goal()
    scene.note(TriggerKind.FAILED)
    assert scene.policy.gave_up
    scene.goal()
    assert scene.policy.gave_up == ""


def test_after_a_restart_the_budget_goes_on() -> None:
    """A planner that is started anew does not begin to spend from nothing."""
    scene = Scene(replans_per_goal=3)
    scene.goal()
    scene.policy.resume_goal(3, scene.now_ns)
    assert scene.ask() == "planner restarted"
    scene.note(TriggerKind.REPAIR)
    assert scene.policy.gave_up


class Event(NamedTuple):
    """Something that may happen, after some time."""

    what: str
    subtask: str
    after_s: float


EVENTS = st.lists(
    st.builds(
        Event,
        st.sampled_from([*map(str, TriggerKind), "begin", "ask", "ask"]),
        st.sampled_from(["reach left", "reach right", ""]),
        st.sampled_from([0.0, 0.01, 0.4, 3.0]),
    ),
    max_size=120,
)
CONFIGS = st.builds(
    TriggersConfig,
    cooldown_s=st.sampled_from([0.0, 0.5]),
    replans_per_subtask=st.integers(0, 4),
)
GOAL_BUDGETS = st.integers(0, 6)


@given(CONFIGS, GOAL_BUDGETS, EVENTS)
def test_no_order_of_events_loses_a_goal_or_breaks_a_budget(
    config: TriggersConfig, budget: int, events: list[Event]
) -> None:
    """Law: a goal is asked about at the next chance, costs stay within budget, and an end is one.

    Within a goal the planner is asked for costly reasons at most as often as is allowed, and never
    twice within the cooldown; once given up, only a new goal brings anything.
    """
    policy = TriggerPolicy(config, plan_age_s=1.0, replans_per_goal=budget)
    now_ns, costly_ns, costly, wants_goal = SECOND_NS, -(10**12), 0, False
    for event in events:
        now_ns += round(event.after_s * SECOND_NS)
        if event.what == TriggerKind.NEW_GOAL:
            policy.follow_goal("a goal", seen(now_ns), now_ns)
            wants_goal, costly, costly_ns = True, 0, -(10**12)
        elif event.what == "begin":
            policy.begin_subtask(event.subtask)
        elif event.what != "ask":
            policy.note(TriggerKind(event.what), "so it is", seen(now_ns), now_ns)
        else:
            had_given_up = bool(policy.gave_up)
            trigger = policy.next(seen(now_ns), now_ns)
            if trigger is None:
                assert not wants_goal
                continue
            assert not had_given_up
            if wants_goal:
                assert trigger.kind is TriggerKind.NEW_GOAL
            wants_goal = False
            assert trigger.stamp_ns <= now_ns
            assert trigger.observation_stamp_ns == trigger.stamp_ns
            if trigger.kind in COSTLY:
                costly += 1
                assert (now_ns - costly_ns) / SECOND_NS >= config.cooldown_s
                costly_ns = now_ns
        assert policy.replans <= budget
        assert costly <= budget


@given(st.lists(st.sampled_from(COSTLY), max_size=60), CONFIGS, GOAL_BUDGETS)
def test_trouble_without_end_ends(
    kinds: list[TriggerKind], config: TriggersConfig, budget: int
) -> None:
    """Law: however often something goes wrong with a subtask, it is tried a bounded time."""
    policy = TriggerPolicy(config, plan_age_s=1000.0, replans_per_goal=budget)
    now_ns = SECOND_NS
    policy.follow_goal("a goal", None, now_ns)
    policy.next(seen(now_ns), now_ns)
    policy.begin_subtask("reach left")
    asked = 0
    for kind in kinds:
        now_ns += 100 * SECOND_NS
        policy.note(kind, "so it is", None, now_ns)
        asked += policy.next(seen(now_ns), now_ns) is not None
    allowed = min(config.replans_per_subtask, budget)
    assert asked == min(allowed, len(kinds))
    assert bool(policy.gave_up) == (len(kinds) > allowed)


def test_the_planner_keeps_its_rate_while_trouble_waits() -> None:
    """A stall that waits for its cooldown does not blind the planner; a broken planner rests."""
    scene = Scene(plan_age_s=1.0, cooldown_s=5.0)
    scene.goal()
    scene.note(TriggerKind.STALLED)
    assert scene.ask() == "stalled"
    scene.note(TriggerKind.STALLED)
    asked = [scene.ask(1.0) for _ in range(5)]
    assert asked == ["plan age"] * 4 + ["stalled"]
    scene.note(TriggerKind.REPAIR)
    assert [scene.ask(1.0) for _ in range(10)] == [None] * 9 + ["repair"]


@pytest.mark.parametrize("kind", COSTLY)
def test_the_same_reason_is_counted_once_while_it_waits(kind: TriggerKind) -> None:
    """A stall that is seen ten times before the planner is free is one replan."""
    scene = Scene(cooldown_s=1.0)
    scene.goal()
    for _ in range(10):
        scene.note(kind)
    assert scene.policy.replans == 1
