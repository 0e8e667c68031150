"""Where in memory an answer lies: told by when the light was on that a subtask asks for."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fast_brain.robots.scene_memory_skills import PRESS_LIGHTS, PRESS_OTHER, locks_in_words
from fast_brain.training.answers import Answers, asked_light
from fast_brain.training.frames import Frames
from tests.fast_brain.training.example_frames import frames_of

# Three lights of 4 rows [50 ms] each, which come on after 2, 10 and 18 rows; then a press.
LIGHTS = np.repeat([0, 1, 0, 2, 0, 3, 0], [2, 4, 4, 4, 4, 4, 8])
FROM_TO_S = {1: (0.1, 0.25), 2: (0.5, 0.65), 3: (0.9, 1.05)}


def _frames(subtask: str, episodes: int = 1) -> Frames:
    frames = frames_of(*[["w" * 22 + "a" * 8]] * episodes)
    rows = len(frames.frame)
    return replace(frames, subtask=[subtask] * rows, light=np.tile(LIGHTS, episodes))


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_light_is_seen_in_the_looks_while_it_was_on(number: int) -> None:
    """Of looks at every row, those of the light's own rows show it, and no others."""
    frames = _frames(PRESS_LIGHTS[number - 1])
    time_s = np.arange(len(LIGHTS)) / 20
    shows = Answers(frames).seen_in(29, time_s)
    assert shows.tolist() == [light == number for light in LIGHTS]


@given(time_s=st.floats(0, 10), number=st.sampled_from([1, 2, 3]), episode=st.integers(0, 2))
def test_no_look_at_another_time_shows_it(time_s: float, number: int, episode: int) -> None:
    """An entry shows the answer if and only if its row is one between coming and going."""
    frames = _frames(PRESS_LIGHTS[number - 1], episodes=3)
    from_s, to_s = FROM_TO_S[number]
    (shows,) = Answers(frames).seen_in(episode * 30 + 29, np.array([time_s]))
    assert shows == (from_s - 0.025 < time_s < to_s + 0.025)


def test_what_asks_for_no_light_has_no_answer_there() -> None:
    """Other subtasks, and lights that never came, are shown by no entry."""
    time_s = np.arange(len(LIGHTS)) / 20
    assert not Answers(_frames("open the drawer")).seen_in(29, time_s).any()
    dark = replace(_frames(PRESS_LIGHTS[2]), light=np.zeros(len(LIGHTS), np.int8))
    assert not Answers(dark).seen_in(29, time_s).any()


def test_a_light_is_asked_for_by_its_number() -> None:
    """With or without a note of the locks; the other button is told by the only light."""
    note = locks_in_words(drawer=True, window=False)
    assert [asked_light(name) for name in PRESS_LIGHTS] == [1, 2, 3]
    assert asked_light(f"{PRESS_LIGHTS[1]}, {note}") == 2
    assert asked_light(f"{PRESS_OTHER}, {note}") == 1
    assert asked_light("put the cube back") == 0
