import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.worlds.scene.language import (
    known_words,
    made_up_openers,
    phrasings,
    sample_phrasing,
    unknown_words,
)
from agent.worlds.scene.memory_tasks import KINDS, sample_memory_task
from agent.worlds.scene.memory_tasks_language import sample_memory_phrasing
from agent.worlds.scene.tasks import FIVE_STEP_CHAIN, SceneGoal, sample_goal
from fast_brain.robots.scene_facts import SKILLS

SEEDS = st.integers(0, 2**32 - 1)


def drawn_goal(seed: int) -> SceneGoal:
    """A goal as demonstrations draw it."""
    return sample_goal(np.random.default_rng(seed))


@given(seed=SEEDS, held_out=st.booleans())
def test_every_phrasing_contains_only_known_words(seed: int, held_out: bool) -> None:  # noqa: FBT001
    """Whatever goal is drawn, no way to say it, with or without an opener, has an unknown word."""
    goal = drawn_goal(seed)
    sampled = sample_phrasing(goal, np.random.default_rng(seed), held_out=held_out)
    for text in (sampled, *phrasings(goal, held_out=held_out)[:50]):
        assert unknown_words(text) == []


@given(seed=SEEDS)
def test_held_out_phrasings_are_never_trained_on(seed: int) -> None:
    """For any goal the phrasings to test with and those to train with do not overlap."""
    goal = drawn_goal(seed)
    trained, held_out = (set(phrasings(goal, held_out=split)) for split in (False, True))
    assert trained
    assert held_out
    assert not trained & held_out


@given(first=SEEDS, second=SEEDS)
def test_a_phrasing_means_one_goal(first: int, second: int) -> None:
    """Two goals that differ are never said in the same words."""
    goals = drawn_goal(first), drawn_goal(second)
    texts = [
        {text for split in (False, True) for text in phrasings(goal, held_out=split)}
        for goal in goals
    ]
    assert goals[0] == goals[1] or not texts[0] & texts[1]


@given(seed=SEEDS)
def test_the_same_seed_says_the_same(seed: int) -> None:
    """A sampled phrasing is a function of its seed."""
    goal = drawn_goal(seed)
    first, second = (
        sample_phrasing(goal, np.random.default_rng(seed), held_out=False) for _ in range(2)
    )
    assert first == second


@pytest.mark.parametrize("skill", SKILLS)
def test_skills_are_said_in_known_words(skill: str) -> None:
    """What the robot offers as a skill can be asked for."""
    assert unknown_words(skill) == []


def test_strange_words_are_named_in_order() -> None:
    """A goal of another world is answered with the words that do not belong here, each once."""
    assert unknown_words("Fold the blue towel, then the towel!") == ["fold", "blue", "towel"]


def test_words_are_lower_case() -> None:
    """Known words are stored as they are compared."""
    assert all(word == word.lower() for word in known_words())


def test_the_chain_is_said_in_many_ways() -> None:
    """There is enough variety to train on, and some left to test with."""
    assert len(phrasings(FIVE_STEP_CHAIN, held_out=False)) > 100
    assert len(phrasings(FIVE_STEP_CHAIN, held_out=True)) >= 4


@given(seed=st.integers(0, 2**32 - 1), held_out=st.booleans())
def test_memory_tasks_are_understood_where_they_are_offered(seed: int, held_out: bool) -> None:  # noqa: FBT001
    """Their words are known on request, and not to planners that never learnt them."""
    random = np.random.default_rng(seed)
    task = sample_memory_task(KINDS[seed % len(KINDS)], random)
    text = sample_memory_phrasing(task, random, held_out=held_out)
    assert unknown_words(text, with_memory=True) == []
    assert unknown_words("press the button that stayed dark") == ["stayed", "dark"]


def test_made_up_openers_are_not_those_of_the_test() -> None:
    """Words without a task stand before goals in training; the openers of the test never do."""
    openers = made_up_openers(0)
    assert made_up_openers(0) == openers != made_up_openers(1)
    words = {word for opener in openers for word in opener.split()}
    assert {"can", "you"} <= words <= known_words()
    assert not any("can you" in opener for opener in openers)
