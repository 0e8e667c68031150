"""Rehearsal: training sees memories as a run fills them, merged entries included."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import ConfigError
from bridge.memories.memory_vla import MemoryVlaMemory
from bridge.memories.rehearsal import draw_capacity, rehearse
from bridge.specs import LatentSpec
from bridge.testing import example_latent

SPEC = LatentSpec(perceptual_tokens=2, cognitive_tokens=1, width=4)
SECOND_NS = 1_000_000_000


def _make(capacity: int) -> MemoryVlaMemory:
    return MemoryVlaMemory(latent=SPEC, capacity=capacity, merged_time="mean")


def test_merged_entries_are_seen_in_training() -> None:
    """Over a few episodes of ordinary length many views hold entries that were merged."""
    episode = [example_latent(SPEC, stamp_ns=s * SECOND_NS, sequence=s) for s in range(12)]
    merged = 0
    for seed in range(20):
        views = rehearse(_make, episode, np.random.default_rng(seed))
        assert [view.latent_sequence for view in views] == list(range(12))
        merged += any(view.time_s.size < place + 1 for place, view in enumerate(views))
    assert merged >= 10


@given(length=st.integers(1, 40), seed=st.integers(0, 1000))
def test_capacities_stay_within_their_limits(length: int, seed: int) -> None:
    """Whatever the episode's length, the capacity is one that was allowed."""
    assert 3 <= draw_capacity(length, np.random.default_rng(seed), (3, 9)) <= 9


@pytest.mark.parametrize("capacities", [(0, 3), (5, 4)])
def test_capacities_that_are_none_are_refused(capacities: tuple[int, int]) -> None:
    """A memory without room, and limits the wrong way round, are told."""
    with pytest.raises(ConfigError):
        draw_capacity(5, np.random.default_rng(0), capacities)
