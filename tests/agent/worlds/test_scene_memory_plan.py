"""What the planner says in memory tasks: enough for who remembers, nothing of the past itself."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.worlds.scene.memory_tasks import (
    KINDS,
    MemoryKind,
    MemoryTask,
    Step,
    as_if,
    sample_memory_task,
)
from agent.worlds.scene.memory_tasks_history import History, MemoryFacts
from agent.worlds.scene.memory_tasks_oracle import PUT_CUBE, SymbolicScene
from agent.worlds.scene.memory_tasks_plan import (
    Notes,
    is_step_done,
    next_step,
    said_steps,
    skill_for_step,
    steps_left,
)
from fast_brain.robots.scene_memory_skills import (
    MEMORY_SKILLS,
    PRESS_OTHER,
    PUT_ALL_BACK,
    PUT_BACK,
    PUT_IN_MIDDLE,
)
from fast_brain.robots.scene_physics import HOME_POSITION_M

SEEDS = st.integers(0, 2**32 - 1)
ALL_KINDS = st.sampled_from(KINDS)
_MOST_STEPS = 40


def _task(kind: MemoryKind, seed: int) -> MemoryTask:
    return sample_memory_task(kind, np.random.default_rng(seed))


def _do(skill: str, scene: SymbolicScene) -> None:
    """The scene's skills by name; a lock's are its button's."""
    verb, _, thing = skill.partition(" the ")
    scene.do(f"press the {thing} button" if verb in ("lock", "unlock") else skill)


def _follow(task: MemoryTask, scene: SymbolicScene, judge: History) -> list[str]:
    """Do what the planner says, as somebody who remembers; what was said, in order."""
    while scene.wait():
        judge.look(scene.facts)
    judge.look(scene.facts)
    finished: list[str] = []
    while (step := next_step(task, scene.facts, finished)) is not None:
        while (skill := skill_for_step(step, task.past, scene.facts)) is not None:
            _do(skill, scene)
            judge.look(scene.facts)
            if step != PUT_ALL_BACK:
                break
        finished.append(step)
        assert len(finished) < _MOST_STEPS
    return finished


@given(seed=SEEDS, kind=ALL_KINDS)
def test_who_remembers_and_does_as_told_solves_the_task(seed: int, kind: MemoryKind) -> None:
    """The planner's words and the past together lead through every task, in the robot's skills."""
    task = _task(kind, seed)
    scene, judge = SymbolicScene(task), History(task)
    said = _follow(task, scene, judge)
    assert judge.is_met, (task, said)
    assert set(said) <= set(MEMORY_SKILLS)


@given(seed=SEEDS, kind=ALL_KINDS, place=st.integers(0, 12))
def test_the_words_are_the_same_whatever_the_past_was(
    seed: int, kind: MemoryKind, place: int
) -> None:
    """With the same picture and notes, tasks that differ in their past alone get the same plan."""
    task = _task(kind, seed)
    facts = SymbolicScene(task).facts
    notes = Notes(said_steps(task)[:place])
    plans = {steps_left(as_if(task, past), facts, notes) for past in task.pasts}
    assert len(plans) == 1


@given(seed=SEEDS, kind=ALL_KINDS, place=st.integers(0, 12))
def test_what_is_under_way_stays_first_and_alone(seed: int, kind: MemoryKind, place: int) -> None:
    """A plan begins with the step under way, and does not name it twice for one turn."""
    task = _task(kind, seed)
    facts = SymbolicScene(task).facts
    finished = said_steps(task)[:place]
    current = next_step(task, facts, finished)
    left = steps_left(task, facts, Notes(finished, current))
    assert left == steps_left(task, facts, Notes(finished))
    if current is not None:
        assert left[0] == current
    # Or the plan would be refused: the robot does not know them.
    assert set(left) <= set(MEMORY_SKILLS)


def test_presses_still_to_come_are_named_by_what_they_will_do() -> None:
    """A lock is pressed shut and open in turn, from how it is or will be."""
    task = MemoryTask(
        kind="count",
        stated=(Step(press="drawer"),),
        answer="n times",
        times=4,
        start={},
        chance=0.1,
    )
    in_turn = ("lock the drawer", "unlock the drawer", "lock the drawer", "unlock the drawer")
    assert steps_left(task, FACTS, Notes()) == in_turn
    under_way = Notes(in_turn[:1], "unlock the drawer")
    for is_locked in (False, True):
        facts = replace(FACTS, drawer_locked=is_locked)
        assert steps_left(task, facts, under_way) == in_turn[1:]


FACTS = MemoryFacts(
    drawer="closed", drawer_locked=False, window="open", window_locked=True, cube_spot="far left"
)


@pytest.mark.parametrize(
    ("step", "facts", "is_done"),
    [
        (PUT_IN_MIDDLE, FACTS, False),
        (PUT_IN_MIDDLE, replace(FACTS, cube_spot="middle"), True),
        (PUT_BACK, FACTS, True),
        (PUT_BACK, replace(FACTS, cube_spot="middle"), False),
        (PUT_BACK, replace(FACTS, cube_spot=""), False),
        ("close the drawer", FACTS, True),
        ("open the drawer", FACTS, False),
        ("lock the window", FACTS, True),
        ("unlock the window", FACTS, False),
        (f"{PRESS_OTHER}, drawer unlocked, window locked", FACTS, False),
        (f"{PRESS_OTHER}, drawer unlocked, window unlocked", FACTS, True),
        (PUT_ALL_BACK, FACTS, False),
    ],
)
def test_a_step_is_over_when_the_picture_shows_it(
    step: str,
    facts: MemoryFacts,
    is_done: bool,  # noqa: FBT001
) -> None:
    """Its effect holds and the arm is back; that all is as it was, no picture shows."""
    assert is_step_done(step, facts, HOME_POSITION_M) == is_done
    assert not is_step_done(step, facts, HOME_POSITION_M - np.array([0, 0, 0.2]))


def test_only_the_past_tells_what_to_do() -> None:
    """One and the same step is another skill for each past."""
    task = _task("put-back", 1)
    skills = {skill_for_step(PUT_BACK, past, FACTS) for past in task.pasts}
    assert skills == {PUT_CUBE.format(past.cube_spot) for past in task.pasts}
    assert len(skills) == 4
