"""Shares: how often what is decisive, remembered or rare is dealt out."""

from dataclasses import replace

import numpy as np

from fast_brain.training.beginnings import beginnings
from fast_brain.training.chunk_samples import ChunkSamples
from fast_brain.training.latents import NoLatents
from fast_brain.training.shares import times_dealt
from tests.fast_brain.training.example_frames import frames_of


def test_training_begins_as_often_as_it_waits() -> None:
    """Beginnings are repeated until they are as many as waits; what is held out stays as it is."""
    frames = frames_of(*[["w" * 40 + "a" * 20]] * 20)
    samples = ChunkSamples(frames, NoLatents())
    waits, begins = beginnings(frames)
    assert waits[samples.training].sum() == begins[samples.training].sum() == 19 * 40
    assert len(samples.validation) == 60
    assert set(samples.training) | set(samples.validation) == set(range(20 * 60))


def test_every_act_begins_more_often_than_it_goes_on() -> None:
    """The first rows of each segment's act count more, also where nothing was waited for."""
    frames = frames_of(["aaaaaaww", "aaaaaa"])
    times = times_dealt(frames, np.arange(14))
    assert list(times) == [4] * 4 + [1] * 4 + [4] * 4 + [1] * 2


def test_a_begun_act_that_is_over_at_once_stays_within_itself() -> None:
    """What follows a short act, a wait or the next episode, is no beginning of it."""
    frames = frames_of(["awwww"], ["aa"])
    assert list(times_dealt(frames, np.arange(7))) == [4, 1, 1, 1, 1, 4, 4]


def test_what_only_memory_tells_counts_twice_and_the_rare_up_to_four_times() -> None:
    """Skills that were seldom shown are brought towards the middle one; waiting never is rare."""
    frames = frames_of(["aaaa" + "a" * 39 + "w"])
    skill = ["press"] * 4 + ["press"] * 20 + ["press it"] * 18 + ["lock"] * 1 + [""]
    subtask = ["press"] * 24 + ["press"] * 18 + ["lock"] * 2
    times = times_dealt(replace(frames, skill=skill, subtask=subtask), np.arange(44))
    assert list(times[4:24]) == [1] * 20
    assert list(times[24:42]) == [2] * 18
    assert times[42] == 4
    assert times[43] == 1
