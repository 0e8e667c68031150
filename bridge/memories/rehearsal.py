"""What a memory would have held during a recorded episode: what training should show a network.

A network that is trained with fewer latents than its memory holds never sees a merged entry, and
meets the first one at run time. So the capacity is drawn anew for each episode, and half of the
time from those that the episode overflows.

Source: the published MemoryVLA code trains with 16 latents and a bank of 16, so that consolidation
never fires in training (`docs/memory.md`).
"""

from collections.abc import Callable, Sequence

import numpy as np

from bridge.errors import ConfigError
from bridge.messages import Latent, MemoryView
from bridge.protocols import Memory

_OVERFLOW_SHARE = 0.5


def rehearse(
    make: Callable[[int], Memory],
    episode: Sequence[Latent],
    random: np.random.Generator,
    *,
    capacities: tuple[int, int] = (2, 16),
) -> list[MemoryView]:
    """What the policy would have been handed after each latent of an episode.

    Args:
        make: Makes an empty memory of a capacity.
        episode: In order of time; the first begins the episode.
        random: For the capacity.
        capacities: Smallest and largest, both included.

    Raises:
        ConfigError: The capacities are none.
        ContractError: A latent does not fit the memory.
    """
    memory = make(draw_capacity(len(episode), random, capacities))
    views: list[MemoryView] = []
    for latent in episode:
        memory.write(latent)
        views.append(memory.read(latent.observation_stamp_ns))
    return views


def draw_capacity(length: int, random: np.random.Generator, capacities: tuple[int, int]) -> int:
    """A capacity; half of the time, where there is one, one that `length` latents overflow.

    A memory of capacity C holds C entries beside the newest, so that C + 2 latents overflow it.
    """
    low, high = capacities
    if not 1 <= low <= high:
        raise ConfigError(f"Capacities go from at least 1 upwards, not from {low} to {high}.")
    largest = min(high, length - 2)
    if largest >= low and random.random() < _OVERFLOW_SHARE:
        high = largest
    return int(random.integers(low, high + 1))
