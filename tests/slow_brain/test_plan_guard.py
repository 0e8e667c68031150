"""What every plan must pass, whoever made it."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bridge.errors import ContractError, PlanRefusedError, PluginError, UnknownNameError
from bridge.messages import Plan, PlanRequest, Subtask
from bridge.testing import example_request
from slow_brain.plan_guard import LONGEST_STEP, MOST_STEPS, PlanGuard
from slow_brain.prompts.feasibility import FeasibilityFilter

SKILLS = ("open the drawer", "store the cube")


def plan_of(*texts: str, goal_done: bool = False) -> Plan:
    """A plan of these steps."""
    return Plan(
        id="p",
        goal_id="g",
        subtasks=tuple(Subtask(id=f"{number}", text=text) for number, text in enumerate(texts)),
        trigger="new goal",
        observation_stamp_ns=1,
        goal_done=goal_done,
        stamp_ns=1,
    )


def asked(*skills: str) -> PlanRequest:
    """A request to a robot with these skills."""
    return replace(example_request(), skills=skills)


GUARD = PlanGuard(FeasibilityFilter("", 0.5))


def test_a_step_that_the_robot_does_not_know_is_refused() -> None:
    """With what it knows, and what was asked of it."""
    with pytest.raises(PlanRefusedError, match=r"open the drawer, store the cube.*got make tea"):
        GUARD.checked(plan_of("open the drawer", "make tea"), asked(*SKILLS))


def test_steps_come_out_in_the_robots_own_words() -> None:
    """Capitals and a full stop make no difference, and the policy reads the words it knows."""
    plan = GUARD.checked(plan_of("Open the drawer.", " store the CUBE"), asked(*SKILLS))
    assert tuple(step.text for step in plan.subtasks) == SKILLS


def test_a_robot_without_skills_lets_all_pass() -> None:
    """Not declaring any is not declaring none."""
    assert GUARD.checked(plan_of("make tea"), asked()) == plan_of("make tea")


@given(
    st.lists(st.text(max_size=12), max_size=4), st.lists(st.text("ab .", max_size=4), max_size=3)
)
def test_only_skills_come_out(texts: list[str], skills: list[str]) -> None:
    """Law: what passes a robot with skills has no other step, whatever a planner writes."""
    try:
        plan = GUARD.checked(plan_of(*texts), asked(*skills))
    except PlanRefusedError:
        return
    assert not skills or {step.text for step in plan.subtasks} <= set(skills)


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["a"] * (MOST_STEPS + 1), f"at most {MOST_STEPS} steps, got {MOST_STEPS + 1}"),
        (["x" * (LONGEST_STEP + 1)], f"{LONGEST_STEP} characters, got {LONGEST_STEP + 1}"),
    ],
)
def test_a_plan_without_end_is_refused(texts: list[str], words: str) -> None:
    """No status has room for it, and no person would read it."""
    with pytest.raises(PlanRefusedError, match=words):
        GUARD.checked(plan_of(*texts), asked())


def only_storing(subtask: str, request: PlanRequest) -> float:
    """Storing can succeed, nothing else."""
    return 1.0 if "store" in subtask else 0.1


def not_a_number(subtask: str, request: PlanRequest) -> float:
    """A broken score."""
    return float("nan")


def raising(subtask: str, request: PlanRequest) -> float:
    """A broken plug-in."""
    raise RuntimeError("no gripper")


def scored_by(score: Callable[..., float], patch: pytest.MonkeyPatch) -> PlanGuard:
    """A guard with this feasibility plug-in."""
    patch.setattr("slow_brain.prompts.feasibility.load_plugin", lambda *_: score)
    return PlanGuard(FeasibilityFilter("score", 0.5))


def test_a_first_step_that_cannot_succeed_now_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever planned it; a later step may become feasible by then."""
    guard = scored_by(only_storing, monkeypatch)
    with pytest.raises(PlanRefusedError, match=r"at least 0\.5.*'open the drawer' with 0\.1"):
        guard.checked(plan_of(*SKILLS), asked())
    guard.checked(plan_of(*reversed(SKILLS)), asked())
    guard.checked(plan_of(goal_done=True), asked())


@pytest.mark.parametrize(
    ("score", "error"), [(not_a_number, ContractError), (raising, PluginError)]
)
def test_a_broken_score_is_an_error_not_a_verdict(
    monkeypatch: pytest.MonkeyPatch, score: Any, error: type[Exception]
) -> None:
    """NaN and exceptions of the plug-in are its own fault, not the planner's."""
    with pytest.raises(error, match="score") as caught:
        scored_by(score, monkeypatch).checked(plan_of("a"), asked())
    assert not isinstance(caught.value, PlanRefusedError)


def test_an_unknown_score_is_said_before_anything_moves() -> None:
    """A misspelt name is refused when the guard is made."""
    with pytest.raises(UnknownNameError, match="feasibility"):
        FeasibilityFilter("nothing_here", 0.5)
