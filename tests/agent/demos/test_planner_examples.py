import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from agent.demos.planner_examples import chosen_subtask, moments, thought_text
from agent.worlds.scene.tasks import SceneGoal, next_subtask, sample_goal
from fast_brain.robots.scene_facts import SKILLS, STORE_CUBE, SceneFacts, holds
from slow_brain.prompt import NOTHING

FIELDS = ["TASK", "PLAN", "VISIBLE OBJECTS", "SUBTASK REASONING", "DONE", "SUBTASK"]
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
GOALS = st.integers(0, 2**32 - 1).map(lambda seed: sample_goal(np.random.default_rng(seed)))
CURRENT = st.sampled_from([None, *SKILLS])


@given(goal=GOALS, facts=FACTS, current=CURRENT, is_done=st.booleans())
def test_thoughts_have_their_fields_in_order(
    goal: SceneGoal,
    facts: SceneFacts,
    current: str | None,
    is_done: bool,  # noqa: FBT001
) -> None:
    """Whatever is asked, the answer has the six fields, and a plan that begins with its subtask."""
    is_done = is_done and current is not None
    text = thought_text(goal, facts, current, is_done=is_done)
    lines = dict(line.split(": ", 1) for line in text.split("\n"))
    assert list(lines) == FIELDS
    assert lines["DONE"] == ("yes" if is_done else "no")
    assert lines["SUBTASK"] in (*SKILLS, NOTHING)
    assert lines["PLAN"].split("; ")[0] == lines["SUBTASK"]


@given(goal=GOALS, facts=FACTS, current=st.sampled_from(SKILLS))
def test_a_subtask_is_kept_until_the_arm_is_back(
    goal: SceneGoal, facts: SceneFacts, current: str
) -> None:
    """While its effect holds but the arm is not back, a subtask is kept; once done, it never is."""
    if holds(current, facts):
        assert chosen_subtask(goal, facts, current, is_done=False) == current
    following = next_subtask(goal, facts)
    assert chosen_subtask(goal, facts, current, is_done=True) == following
    if not holds(current, facts) and current != STORE_CUBE:
        assert chosen_subtask(goal, facts, current, is_done=False) == following


@given(seed=st.integers(0, 2**32 - 1), change_at=st.integers(1, 59))
def test_moments_of_change_are_asked_more_often(seed: int, change_at: int) -> None:
    """For training, every frame around a change is an exercise; for an exam, every fifth frame."""
    rows = [{"facts": "", "subtask": "", "is_subtask_done": at >= change_at} for at in range(60)]
    dense, even = (
        moments(rows, np.random.default_rng(seed), are_changes_dense=is_dense)
        for is_dense in (True, False)
    )
    assert set(even) < set(dense)
    assert {change_at - 1, change_at} <= set(dense)
    assert set(np.diff(even)) == {5}
