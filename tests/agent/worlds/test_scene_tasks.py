import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.worlds.scene.tasks import (
    FIVE_STEP_CHAIN,
    SceneGoal,
    next_subtask,
    remaining_subtasks,
    sample_goal,
)
from fast_brain.robots.scene_facts import (
    CLOSE_DRAWER,
    LOCK_DRAWER,
    OPEN_DRAWER,
    SKILLS,
    STORE_CUBE,
    UNLOCK_DRAWER,
    SceneFacts,
)

PLACES = st.sampled_from(["open", "closed", "half open"])
FACTS = st.builds(
    SceneFacts,
    drawer=PLACES,
    drawer_locked=st.booleans(),
    window=PLACES,
    window_locked=st.booleans(),
    cube_in_drawer=st.booleans(),
    cube_held=st.booleans(),
)
GOALS = st.builds(
    SceneGoal,
    cube_in_drawer=st.sampled_from([None, True]),
    drawer=st.sampled_from([None, "open", "closed"]),
    drawer_locked=st.sampled_from([None, True, False]),
    window=st.sampled_from([None, "open", "closed"]),
    window_locked=st.sampled_from([None, True, False]),
)
SEEDS = st.integers(0, 2**32 - 1)


@given(goal=GOALS, facts=FACTS)
def test_every_chain_ends_in_a_met_goal(goal: SceneGoal, facts: SceneFacts) -> None:
    """From any facts, doing what comes next, again and again, meets any goal."""
    steps = remaining_subtasks(goal, facts)
    for step in steps:
        assert step in SKILLS
        facts = facts.after(step)
    assert goal.is_met(facts)
    assert next_subtask(goal, facts) is None


@given(goal=GOALS, facts=FACTS)
def test_nothing_comes_next_exactly_when_the_goal_is_met(
    goal: SceneGoal, facts: SceneFacts
) -> None:
    """A met goal wants nothing, and an unmet one something."""
    assert (next_subtask(goal, facts) is None) == goal.is_met(facts)


@given(goal=GOALS, facts=FACTS)
def test_what_is_locked_never_slides(goal: SceneGoal, facts: SceneFacts) -> None:
    """No step of a chain opens or closes what is locked at that moment."""
    for step in remaining_subtasks(goal, facts):
        verb, thing = step.split(" ", 1)
        if verb in ("open", "close"):
            locked = facts.drawer_locked if "drawer" in thing else facts.window_locked
            assert not locked
        facts = facts.after(step)


@given(seed=SEEDS)
def test_sampled_goals_want_something_sayable(seed: int) -> None:
    """A drawn goal wants at least one fact, and its words name each wanted thing."""
    goal = sample_goal(np.random.default_rng(seed))
    wanted = [value for value in vars(goal).values() if value is not None]
    assert wanted
    assert len(goal.in_words().split(", ")) == len(wanted)


@given(seed=SEEDS)
def test_the_same_seed_draws_the_same_goal(seed: int) -> None:
    """A goal is a function of its seed."""
    assert sample_goal(np.random.default_rng(seed)) == sample_goal(np.random.default_rng(seed))


def test_the_long_chain_has_five_steps() -> None:
    """The benchmark's chain from a shut, locked drawer is the five steps people expect."""
    start = SceneFacts(
        drawer="closed",
        drawer_locked=True,
        window="closed",
        window_locked=False,
        cube_in_drawer=False,
        cube_held=False,
    )
    assert remaining_subtasks(FIVE_STEP_CHAIN, start) == [
        UNLOCK_DRAWER,
        OPEN_DRAWER,
        STORE_CUBE,
        CLOSE_DRAWER,
        LOCK_DRAWER,
    ]


@pytest.mark.parametrize("cube_held", [True, False])
def test_a_drawer_pushed_shut_is_opened_again(cube_held: bool) -> None:  # noqa: FBT001
    """While the cube is still outside, a drawer that fell shut is opened before anything else."""
    facts = SceneFacts(
        drawer="half open",
        drawer_locked=False,
        window="closed",
        window_locked=False,
        cube_in_drawer=False,
        cube_held=cube_held,
    )
    assert next_subtask(FIVE_STEP_CHAIN, facts) == OPEN_DRAWER
