"""The oracle of an evaluation: the right words by the facts, or wrong ones on purpose."""

from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("ogbench")

from agent.evaluation.oracle import OraclePlanner, OraclePlanningNode, _scrambled
from agent.worlds.scene.tasks import FIVE_STEP_CHAIN
from bridge import (
    ConfigError,
    ContractError,
    Goal,
    Latent,
    ManualClock,
    Observation,
    Plan,
    PlanRequest,
    Thought,
    WorldReport,
)
from fast_brain.robots.scene_facts import SKILLS
from fast_brain.robots.scene_memory_skills import MEMORY_SKILLS
from slow_brain.config import SlowBrainConfig

CLOSED = {
    "drawer": "closed",
    "drawer_locked": True,
    "window": "open",
    "window_locked": False,
    "cube_in_drawer": False,
    "cube_held": False,
    "cube_x_m": 0.4,
    "cube_y_m": 0.1,
    "cube_z_m": 0.02,
}


def _world(**changes: Any) -> WorldReport:
    return WorldReport(facts=CLOSED | changes, success=None, stamp_ns=0)


def _request() -> PlanRequest:
    observation = Observation(
        stamp_ns=5,
        sequence=1,
        images={"front": np.full((96, 96, 3), 90, np.uint8)},
        proprioception={"gripper_pose_in_base": np.array([0.32, 0, 0.3, 0.4, 0], np.float32)},
        episode_id="e",
    )
    goal = Goal(text="store the cube and lock the drawer", id="g", source="test", stamp_ns=0)
    return PlanRequest(observation=observation, goal=goal, trigger="new goal", plan_id="p")


@pytest.fixture(scope="module")
def oracle() -> OraclePlanner:
    """For the five-step chain, in the stead of the shipped planner."""
    return OraclePlanner(symbols={"goal": asdict(FIVE_STEP_CHAIN)}, prompt="memory")


def test_it_plans_by_the_facts_and_hands_over_what_the_model_read(oracle: OraclePlanner) -> None:
    """Thoughts, the expert's plan, and latents of the declared shape that speak for its step."""
    oracle.see(_world())
    results = list(oracle.plan(_request()))
    assert [type(each) for each in results] == [Thought] * 6 + [Plan, Latent]
    plan, latent = results[-2:]
    assert isinstance(plan, Plan)
    assert isinstance(latent, Latent)
    assert [step.text for step in plan.subtasks][:2] == ["unlock the drawer", "open the drawer"]
    assert latent.subtask_text == "unlock the drawer"
    assert oracle.spec.latent is not None
    oracle.spec.latent.validate(latent)


def test_what_is_met_is_done(oracle: OraclePlanner) -> None:
    """When the facts meet the goal the plan says so, and has no steps."""
    oracle.see(_world(cube_in_drawer=True))
    plan = next(each for each in oracle.plan(_request()) if isinstance(each, Plan))
    assert plan.goal_done
    assert not plan.subtasks


def test_before_the_world_was_seen_nothing_is_planned() -> None:
    """Without a report there are no facts to plan by."""
    blind = OraclePlanner(symbols={"goal": asdict(FIVE_STEP_CHAIN)})
    with pytest.raises(ContractError, match="world: expected a report, got none yet"):
        next(iter(blind.plan(_request())))


@given(st.sampled_from(MEMORY_SKILLS))
def test_scrambled_words_are_never_the_right_ones(right: str) -> None:
    """Each skill always has the same other one in its stead."""
    text = f"TASK: t\nPLAN: {right}; lock the window\nDONE: no\nSUBTASK: {right}"
    wrong = _scrambled(text).rpartition("SUBTASK: ")[2]
    assert wrong != right
    assert wrong in SKILLS
    assert f"PLAN: {wrong}\n" in _scrambled(text)
    assert _scrambled(text) == _scrambled(text)


def test_outside_an_evaluation_it_is_refused() -> None:
    """Nobody has told it the goal as data, or lets it ask the simulator."""
    with pytest.raises(ConfigError, match="agent eval --ablate --conditions oracle"):
        OraclePlanner()
    node = OraclePlanningNode(config=SlowBrainConfig(), inputs={}, outputs={}, clock=ManualClock())
    with pytest.raises(ConfigError, match="may_ask_simulator=true"):
        node.step(0)
