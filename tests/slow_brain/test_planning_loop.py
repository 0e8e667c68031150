from collections.abc import Sequence

import numpy as np
import pytest
from msgspec.structs import replace

from bridge.errors import ContractError
from bridge.messages import Goal, Observation, Plan, PlanRequest, Subtask, SubtaskState
from bridge.specs import LatentSpec
from bridge.testing.examples import EXAMPLE_LATENT, SECOND_NS, example_latent
from slow_brain.config import SlowBrainConfig
from slow_brain.planning_loop import PlanningLoop

CONFIG = SlowBrainConfig(rate_hz=2.0, subtask_timeout_s=10.0, replan_budget=2, backoff_s=0.5)


class Driver:
    """A loop, and the time: each look shows an observation of now."""

    def __init__(
        self, config: SlowBrainConfig = CONFIG, latent: LatentSpec | None = EXAMPLE_LATENT
    ) -> None:
        self.loop = PlanningLoop(config, latent)
        self.now_ns = SECOND_NS

    def follow(self, goal_id: str = "goal-1") -> None:
        """Ask for something."""
        self.loop.follow(Goal(text="a goal", id=goal_id, source="test", stamp_ns=self.now_ns))

    def look(self, after_s: float = 0.0, seen_ns: int | None = None) -> PlanRequest | None:
        """Let time pass, then ask the loop what to think about."""
        self.now_ns += round(after_s * SECOND_NS)
        stamp_ns = self.now_ns if seen_ns is None else seen_ns
        seen = Observation(stamp_ns=stamp_ns, sequence=0, images={}, proprioception={})
        return self.loop.next_request(seen, self.now_ns)

    def must_look(self, after_s: float = 0.0) -> PlanRequest:
        """As `look`, where there must be something to think about."""
        request = self.look(after_s)
        assert request is not None
        return request

    def think(
        self, *texts: str, after_s: float = 1.0, is_done: bool = False, goal_done: bool = False
    ) -> PlanRequest:
        """Look again and let the planner answer with these steps."""
        request = self.must_look(after_s)
        self.loop.accept(answer(request, texts, is_done=is_done, goal_done=goal_done), self.now_ns)
        return request

    def fail(self, after_s: float = 1.0) -> PlanRequest:
        """Look again and let the planner answer with rubbish."""
        request = self.must_look(after_s)
        error = ContractError(leaf="thought", expected="a plan", got="rubbish")
        self.loop.fail(error, self.now_ns)
        return request

    @property
    def phase(self) -> str:
        """Where the loop stands."""
        return self.loop.status(self.now_ns).phase

    @property
    def states(self) -> list[tuple[str, str]]:
        """Text and state of each subtask."""
        return [(each.text, each.state) for each in self.loop.status(self.now_ns).subtasks]


def answer(
    request: PlanRequest, texts: Sequence[str], *, is_done: bool = False, goal_done: bool = False
) -> Plan:
    """The plan of these steps."""
    return Plan(
        id=request.plan_id,
        goal_id=request.goal.id,
        subtasks=tuple(
            Subtask(id=f"{request.plan_id}.{number}", text=text)
            for number, text in enumerate(texts)
        ),
        trigger=request.trigger,
        observation_stamp_ns=request.observation.stamp_ns,
        current_subtask_done=is_done,
        goal_done=goal_done,
        stamp_ns=request.observation.stamp_ns,
    )


@pytest.fixture
def driver() -> Driver:
    """A loop that follows a goal."""
    made = Driver()
    made.follow()
    return made


def test_without_a_goal_there_is_nothing_to_think_about() -> None:
    """Before the first goal the loop is idle, whatever it sees."""
    idle = Driver()
    assert idle.look(after_s=100.0) is None
    assert idle.phase == "idle"


def test_without_an_observation_there_is_nothing_to_think_about(driver: Driver) -> None:
    """A goal waits for the first observation, and is not lost."""
    assert driver.loop.next_request(None, driver.now_ns) is None
    assert driver.must_look().trigger == "new goal"


def test_a_new_goal_is_thought_about_at_once(driver: Driver) -> None:
    """A new goal does not wait for the period, and takes nothing over from the old one."""
    driver.think("a", "b")
    driver.follow("goal-2")
    request = driver.must_look(after_s=0.01)
    assert (request.trigger, request.goal.id) == ("new goal", "goal-2")
    assert (request.current, request.finished, driver.states) == (None, (), [])


def test_a_new_goal_ends_a_finished_one(driver: Driver) -> None:
    """After a failed goal, another begins afresh, with its whole budget."""
    for _ in range(3):
        driver.fail()
    assert driver.phase == "goal_failed"
    driver.follow("goal-2")
    for _ in range(2):
        driver.fail()
    assert driver.phase == "thinking"


def test_an_observation_is_thought_about_once(driver: Driver) -> None:
    """It takes a newer observation to think again, however long ago the last one was."""
    seen_ns = driver.must_look().observation.stamp_ns
    assert driver.look(after_s=60.0, seen_ns=seen_ns) is None
    assert driver.look(seen_ns=seen_ns - 1) is None
    assert driver.look(seen_ns=seen_ns + 1) is not None


def test_it_thinks_at_its_rate(driver: Driver) -> None:
    """At 2 Hz there is half a second between the starts of two thoughts."""
    driver.think("a")
    assert driver.look(after_s=0.49) is None
    assert driver.must_look(after_s=0.01).trigger == "plan age"


def test_the_request_says_what_is_done_and_under_way(driver: Driver) -> None:
    """The planner is told the finished subtasks and the one under way."""
    driver.think("a", "b")
    driver.think("b", is_done=True)
    request = driver.must_look(after_s=1.0)
    assert [each.text for each in request.finished] == ["a"]
    assert request.current is not None
    assert (request.current.text, request.current.state) == ("b", SubtaskState.ACTIVE)
    assert request.finished_count == 1


def test_a_plan_begins_its_first_step(driver: Driver) -> None:
    """The first step is under way, the rest waits."""
    driver.think("a", "b", "c")
    assert driver.states == [("a", "active"), ("b", "pending"), ("c", "pending")]
    assert driver.phase == "acting"


def test_the_same_plan_changes_nothing(driver: Driver) -> None:
    """Looking again and seeing the same keeps the subtask and its id."""
    driver.think("a", "b")
    before = driver.loop.status(0).subtasks[0].id
    driver.think("a", "c")
    assert driver.states == [("a", "active"), ("c", "pending")]
    assert driver.loop.status(0).subtasks[0].id == before


@pytest.mark.parametrize("wanted", [1, 2, 3])
def test_a_subtask_is_done_after_enough_verdicts(wanted: int) -> None:
    """It takes the configured number of verdicts in a row to end a subtask."""
    driver = Driver(CONFIG.model_copy(update={"done_confirmations": wanted}))
    driver.follow()
    driver.think("a", "b")
    for _ in range(wanted - 1):
        driver.think("b", is_done=True)
        assert driver.states[0] == ("a", "active")
    driver.think("b", is_done=True)
    assert driver.states == [("a", "done"), ("b", "active")]


def test_another_first_step_needs_confirmation(driver: Driver) -> None:
    """One plan that begins elsewhere changes nothing; the second drops what was under way."""
    driver.think("a", "b")
    driver.think("c", "a")
    assert driver.states[0] == ("a", "active")
    driver.think("c", "a")
    assert driver.states == [("a", "skipped"), ("c", "active"), ("a", "pending")]
    assert driver.loop.status(0).reason == "'c' has to come before 'a'"


@pytest.mark.parametrize("between", ["a", "d"])
def test_only_verdicts_in_a_row_count(driver: Driver, between: str) -> None:
    """A plan that says something else in between starts the count again."""
    driver.think("a", "b")
    for first in ("c", between, "c"):
        driver.think(first, "b")
    assert driver.states[0] == ("a", "active")


def test_the_goal_needs_confirmation(driver: Driver) -> None:
    """One frame in which all seems well ends nothing; the second ends the goal for good."""
    driver.think("a")
    driver.think(goal_done=True)
    assert driver.phase == "acting"
    driver.think(goal_done=True)
    assert (driver.phase, driver.states) == ("goal_done", [("a", "done")])
    assert driver.look(after_s=60.0) is None


def test_a_verdict_does_not_count_for_the_next_subtask() -> None:
    """What was said of a subtask that timed out ends none of those after it."""
    driver = Driver(CONFIG.model_copy(update={"done_confirmations": 2}))
    driver.follow()
    driver.think("a")
    driver.think("b", is_done=True, after_s=9.0)
    driver.think("b", after_s=2.0)
    driver.think("c", is_done=True)
    assert driver.states == [("a", "failed"), ("b", "active")]


def test_a_verdict_about_the_goal_is_forgotten_when_a_step_begins(driver: Driver) -> None:
    """`The goal is met` counts only in a row, also when nothing was under way."""
    driver.think(goal_done=True)
    driver.think("a")
    driver.think(goal_done=True)
    assert driver.phase == "acting"


def test_a_subtask_that_takes_too_long_fails(driver: Driver) -> None:
    """After the time limit it has failed, and the planner is asked at once, with the reason."""
    driver.think("a", "b")
    driver.think("a", "b", after_s=9.9)
    request = driver.must_look(after_s=0.2)
    assert request.trigger == "subtask failed: 'a' took longer than 10 s"
    assert request.current is None
    assert (driver.phase, driver.states[0]) == ("thinking", ("a", "failed"))


def test_a_failed_subtask_may_be_tried_again(driver: Driver) -> None:
    """The planner may begin the same step again, as a new subtask."""
    driver.think("a")
    driver.think("a", after_s=11.0)
    assert driver.states == [("a", "failed"), ("a", "active")]


def test_the_budget_bounds_the_replans(driver: Driver) -> None:
    """With two replans allowed, the third time-out fails the goal and says why."""
    driver.think("a")
    driver.think("a", after_s=11.0)
    driver.think("a", after_s=11.0)
    assert driver.look(after_s=11.0) is None
    status = driver.loop.status(driver.now_ns)
    assert status.phase == "goal_failed"
    assert status.reason == "'a' took longer than 10 s; all 2 replans are spent"
    assert driver.states == [("a", "failed")] * 3


def test_dropping_costs_budget(driver: Driver) -> None:
    """A planner that keeps changing its mind uses up the budget."""
    driver.think("a")
    for first in ("b", "b", "a", "a", "b", "b"):
        driver.think(first)
    assert driver.phase == "goal_failed"
    assert all(state == "skipped" for _, state in driver.states)


def test_after_an_error_the_old_plan_stays(driver: Driver) -> None:
    """Bad text changes neither the plan nor the subtasks; repair comes after a rest."""
    driver.think("a", "b")
    before = driver.loop.status(0)
    driver.fail()
    after = driver.loop.status(0)
    assert (after.plan, after.subtasks, after.phase) == (before.plan, before.subtasks, "acting")
    assert driver.look(after_s=0.49) is None
    assert driver.must_look(after_s=0.01).trigger.startswith("repair after ContractError: thought")


def test_errors_cost_budget(driver: Driver) -> None:
    """A planner that writes only rubbish fails the goal, with its last words."""
    for _ in range(3):
        driver.fail()
    status = driver.loop.status(0)
    assert status.phase == "goal_failed"
    assert "got rubbish; all 2 replans are spent" in status.reason


@pytest.mark.parametrize("change", [{"id": "other"}, {"goal_id": "other"}, {"subtasks": ()}])
def test_a_plan_nobody_asked_for_is_refused(driver: Driver, change: dict[str, object]) -> None:
    """A plan with foreign ids, or with nothing in it, leaves the old one in place."""
    driver.think("a")
    before = driver.loop.status(0)
    plan = replace(answer(driver.must_look(after_s=1.0), ["b"]), **change)
    with pytest.raises(ContractError):
        driver.loop.accept(plan, driver.now_ns)
    assert driver.loop.status(0).plan is before.plan
    assert driver.loop.status(0).subtasks == before.subtasks


def test_there_is_one_plan_per_request(driver: Driver) -> None:
    """A second plan for the same request is refused."""
    request = driver.think("a")
    with pytest.raises(ContractError, match="no other plan"):
        driver.loop.accept(answer(request, ["b"]), driver.now_ns)


def test_a_latent_is_signed_with_the_subtask_under_way(driver: Driver) -> None:
    """A latent for the step under way passes, with the id that the policy knows."""
    driver.think("a")
    active = driver.loop.status(0).subtasks[0]
    passed = driver.loop.admit(replace(example_latent(), subtask_text="a"), "goal-1")
    assert passed is not None
    assert (passed.subtask_id, passed.subtask_text) == (active.id, "a")


def test_a_latent_of_an_unconfirmed_decision_is_kept_back(driver: Driver) -> None:
    """It passes only once the switch it speaks for has been confirmed."""
    latent = replace(example_latent(), subtask_text="b")
    driver.think("a")
    driver.think("b")
    assert driver.loop.admit(latent, "goal-1") is None
    driver.think("b")
    assert driver.loop.admit(latent, "goal-1") is not None


def test_a_latent_of_another_goal_or_of_none_is_kept_back(driver: Driver) -> None:
    """Without a subtask under way, or for an older goal, no latent passes."""
    latent = replace(example_latent(), subtask_text="")
    assert driver.loop.admit(latent, "goal-1") is None
    driver.think("a")
    assert driver.loop.admit(latent, "goal-0") is None
    assert driver.loop.admit(latent, "goal-1") is not None


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_latent_that_is_not_finite_is_refused(driver: Driver, value: float) -> None:
    """Not one value may be other than finite."""
    driver.think("a")
    cognitive = example_latent().cognitive.copy()
    cognitive[0, 0] = value
    with pytest.raises(ContractError, match="finite"):
        driver.loop.admit(replace(example_latent(), cognitive=cognitive), "goal-1")


def test_a_latent_of_the_wrong_width_is_refused(driver: Driver) -> None:
    """A latent must be as the planner declared."""
    driver.think("a")
    wide = LatentSpec(perceptual_tokens=4, cognitive_tokens=2, width=9)
    with pytest.raises(ContractError):
        driver.loop.admit(example_latent(wide), "goal-1")


def test_a_latent_that_was_not_declared_is_refused() -> None:
    """A planner that declares no latents must send none."""
    driver = Driver(latent=None)
    driver.follow()
    driver.think("a")
    with pytest.raises(ContractError, match="declares none"):
        driver.loop.admit(example_latent(), "goal-1")


def test_the_status_tells_the_age_of_the_latent(driver: Driver) -> None:
    """The age counts from the observation behind the newest latent that passed."""
    driver.think("a")
    assert driver.loop.status(driver.now_ns).latent_age_s == float("inf")
    driver.loop.admit(replace(example_latent(stamp_ns=SECOND_NS), subtask_text="a"), "goal-1")
    assert driver.loop.status(4 * SECOND_NS).latent_age_s == 3.0
