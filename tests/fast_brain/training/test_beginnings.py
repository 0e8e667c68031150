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


def test_training_begins_as_often_as_it_waits() -> None:
    """Beginnings are repeated until they are as many as waits; what is held out stays as it is."""
    frames = frames_of(*[["w" * 40 + "a" * 20]] * 20)
    samples = ChunkSamples(frames, NoLatents())
    waits, begins = beginnings(frames)
    assert waits[samples.training].sum() == begins[samples.training].sum() == 19 * 40
    assert len(samples.validation) == 60
    assert set(samples.training) | set(samples.validation) == set(range(20 * 60))


def test_decisive_samples_are_half_waits_and_half_beginnings() -> None:
    """An exam of them is failed by who always waits, and by who never does."""
    samples = ChunkSamples(frames_of(*[["w" * 40 + "a" * 20]] * 20), NoLatents())
    waits, begins = beginnings(samples._frames)
    decisive = samples.decisive(samples.validation)
    assert waits[decisive].sum() == begins[decisive].sum() == 4


def test_without_waits_nothing_changes() -> None:
    """Demonstrations that begin at once are dealt out as they are."""
    samples = ChunkSamples(frames_of(*[["aaaw", "aaw"]] * 20), NoLatents())
    assert len(samples.training) == 19 * 7
    assert not len(samples.decisive(samples.training))
