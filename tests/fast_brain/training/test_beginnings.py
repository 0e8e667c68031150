"""Beginnings: the few frames in which an arm stops waiting, found and dealt out often enough."""

import numpy as np

from fast_brain.training.beginnings import beginnings, first_acts
from fast_brain.training.chunk_samples import ChunkSamples
from fast_brain.training.latents import NoLatents
from tests.fast_brain.training.example_frames import frames_of


def test_a_wait_counts_only_before_the_first_act() -> None:
    """Waiting after an act, and a segment in which nothing is done, are no waits for a moment."""
    frames = frames_of(["wwwaaaaaww", "aaw", "www"], ["waaw"])
    waits, begins = beginnings(frames)
    assert list(first_acts(frames)) == [3, 10, 17]
    assert list(np.flatnonzero(waits)) == [0, 1, 2, 16]
    assert list(np.flatnonzero(begins)) == [3, 4, 5, 6, 17, 18, 19]


def test_segments_of_one_number_in_two_episodes_are_two() -> None:
    """The next episode begins anew, though its first segment has the number of the last one."""
    waits, _ = beginnings(frames_of(["aaaa"], ["wwaa"]))
    assert list(np.flatnonzero(waits)) == [4, 5]


def test_decisive_samples_are_half_waits_and_half_beginnings() -> None:
    """An exam of them is failed by who always waits, and by who never does."""
    samples = ChunkSamples(frames_of(*[["w" * 40 + "a" * 20]] * 20), NoLatents())
    waits, begins = beginnings(samples._frames)
    decisive = samples.decisive(samples.validation)
    assert waits[decisive].sum() == begins[decisive].sum() == 4


def test_without_waits_there_is_nothing_decisive() -> None:
    """Demonstrations that begin at once have no moment that was waited for."""
    samples = ChunkSamples(frames_of(*[["aaaw", "aaw"]] * 20), NoLatents())
    assert not len(samples.decisive(samples.training))
