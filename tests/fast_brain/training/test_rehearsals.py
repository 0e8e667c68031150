"""Rehearsed memories: what a run would remember, in little room, merged entries among it."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fast_brain.training.rehearsals import KIND_SHARES, Looks, Rehearsal
from fast_brain.training.skill_reader import IGNORED, SkillReader

WIDTH, TOKENS = 8, 2


def _looks(count: int, seed: int = 0) -> Looks:
    random = np.random.default_rng(seed)
    return Looks(
        frame=np.arange(count) * 8,
        perceptual=random.normal(size=(count, TOKENS, WIDTH)).astype(np.float16),
        cognitive=random.normal(size=(count, 1, WIDTH)).astype(np.float16),
        subtask=[
            "open the drawer" if k < count // 2 else "put the cube back" for k in range(count)
        ],
    )


@settings(max_examples=40)
@given(
    kind=st.sampled_from(sorted(KIND_SHARES)), count=st.integers(1, 40), seed=st.integers(0, 1000)
)
def test_the_newest_look_is_always_remembered_as_it_was(kind: str, count: int, seed: int) -> None:
    """Whichever memory: its last entry is the latest look, unmerged, and none is of the future."""
    looks = _looks(count, seed)
    rehearsal = Rehearsal(looks, np.random.default_rng(seed), {kind: 1.0})
    assert len(rehearsal.views) == len(rehearsal.looks)
    for place, number in enumerate(rehearsal.looks):
        perceptual, cognitive = rehearsal.tokens(place)
        assert np.array_equal(perceptual[-1], looks.perceptual[number].astype(np.float32))
        assert np.array_equal(cognitive[-1], looks.cognitive[number].astype(np.float32))
        for entries in rehearsal.views[place]:
            assert entries.time_s[-1] == entries.time_s.max()
            assert entries.time_s[-1] == pytest.approx(looks.frame[number] / 20, abs=1e-5)


def test_without_memory_only_the_newest_is_there() -> None:
    """The kind "none" holds a single latent at any time."""
    rehearsal = Rehearsal(_looks(20), np.random.default_rng(0), {"none": 1.0})
    assert {len(first.ids) for first, _ in rehearsal.views} == {1}


def test_training_meets_merged_entries() -> None:
    """Half of the banks are smaller than the episode, and what they hold was never looked at."""
    looks = _looks(40)
    merged = 0
    for seed in range(12):
        rehearsal = Rehearsal(looks, np.random.default_rng(seed), {"memory_vla": 1.0})
        tokens, _ = rehearsal.tokens(len(rehearsal.views) - 1)
        seen = {each.tobytes() for each in looks.perceptual.astype(np.float32)}
        merged += any(row.tobytes() not in seen for row in tokens)
    assert merged >= 4


def test_each_entry_is_kept_once() -> None:
    """The table of a window is as long as the episode, however often entries are handed over."""
    rehearsal = Rehearsal(_looks(30), np.random.default_rng(1), {"window": 1.0})
    assert len(rehearsal._tables[0]._kept) == len(rehearsal.looks)


def test_a_reader_learns_from_what_is_known_alone() -> None:
    """Samples told by words do not count; where all are, there is no loss and nothing breaks."""
    torch.manual_seed(0)
    reader = SkillReader(3)
    told = torch.randn(4, 256)
    loss, right = reader.loss(told, torch.full((4,), IGNORED))
    assert (float(loss.detach()), right) == (0.0, 0.0)
    some = torch.tensor([0, IGNORED, 2, IGNORED])
    alone, _ = reader.loss(told[[0, 2]], some[[0, 2]])
    among, _ = reader.loss(told, some)
    assert float(among.detach()) == pytest.approx(float(alone.detach()))
