import pytest
from hypothesis import given
from hypothesis import strategies as st

from fast_brain.robots.scene_facts import (
    DRAWER_OPEN_M,
    SKILLS,
    SceneFacts,
    end_stop_word,
    holds,
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


@given(facts=FACTS, skill=st.sampled_from(SKILLS))
def test_a_skill_that_worked_holds(facts: SceneFacts, skill: str) -> None:
    """After any skill has worked its effect is true, and doing it again changes nothing."""
    after = facts.after(skill)
    assert holds(skill, after)
    assert after.after(skill) == after


@pytest.mark.parametrize(
    ("position_m", "word"), [(0.0, "closed"), (-0.16, "open"), (-0.08, "half open")]
)
def test_end_stops_have_names(position_m: float, word: str) -> None:
    """A drawer is open or closed near its end stops, and half open between them."""
    assert end_stop_word(position_m, DRAWER_OPEN_M) == word


def test_an_unknown_skill_is_refused() -> None:
    """A skill that the scene does not have cannot have worked."""
    facts = SceneFacts(
        drawer="open",
        drawer_locked=False,
        window="open",
        window_locked=False,
        cube_in_drawer=False,
        cube_held=False,
    )
    with pytest.raises(KeyError):
        facts.after("fold the towel")
