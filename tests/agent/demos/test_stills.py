import json

import numpy as np
import pytest

from agent.demos.planner_examples import Asking, questions
from fast_brain.robots.scene_facts import SceneFacts


@pytest.fixture
def plain_stills(flat_pictures: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stills whose camera draws nothing."""
    from tests.agent.demos.conftest import FlatCamera

    monkeypatch.setattr("agent.demos.stills.GlCamera", FlatCamera)


@pytest.mark.usefixtures("plain_stills")
def test_the_same_seed_gives_the_same_stills() -> None:
    """A still depends on its seed and its number alone, not on how many are taken."""
    from agent.demos.stills import stills

    assert list(stills(2, 5)) == list(stills(3, 5))[:2]
    assert list(stills(2, 5)) != list(stills(2, 6))


@pytest.mark.usefixtures("plain_stills")
def test_stills_show_every_place_of_the_cube() -> None:
    """Among a few dozen stills the cube lies on the table and in the drawer, both locks vary."""
    from agent.demos.stills import stills

    facts = [SceneFacts(**json.loads(row["facts"])) for row, _ in stills(40, 1)]
    for name in ("cube_in_drawer", "drawer_locked", "window_locked"):
        assert {getattr(each, name) for each in facts} == {True, False}
    assert {each.drawer for each in facts} == {"open", "closed", "half open"}


@pytest.mark.usefixtures("plain_stills")
def test_a_still_can_be_asked_about() -> None:
    """Every still makes exercises, also when nothing is under way."""
    from agent.demos.stills import stills

    random = np.random.default_rng(0)
    under_way = set[bool]()
    for row, info in stills(8, 2):
        asked = list(questions(row, info, random, Asking()))
        assert all(question["answer"].startswith("TASK: ") for question in asked)
        under_way.add(row["subtask"] is None)
    assert under_way == {True, False}
