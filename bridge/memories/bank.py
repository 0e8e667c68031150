"""The bank: MemoryVLA's rule with one time for both streams, as the shipped policy was trained.

When it is full, the two neighbours that are most alike become one, so that long stretches of
sameness shrink and changes stay. `memory_vla.py` is the rule as published, where each stream merges
by itself.

Source: MemoryVLA (arXiv 2508.19236). Unlike there, both streams merge the same pair, because one
time stands for both; and the newest latent is never merged, because the policy takes it for now.
"""

from typing import ClassVar, Literal

from bridge.errors import ConfigError
from bridge.memories.episode_memory import EpisodeMemory
from bridge.memories.neighbours import Neighbours, merge
from bridge.messages import Latent
from bridge.specs import LatentSpec

Consolidation = Literal["merge", "fifo"]


class BankMemory(EpisodeMemory):
    """Latents of one episode, alike ones merged.

    Args:
        latent: Shape of the latents; others are refused.
        capacity: How many are kept, the newest among them. 16 as in MemoryVLA.
        consolidation: When full, "merge" averages the most similar neighbours, "fifo" drops the
            oldest.
        shared_name: If given, other processes read it in place under this name.
        run_id: Of the run; names the shared memory too.
    """

    _name: ClassVar[str] = "bank"
    _least: ClassVar[int] = 0

    def __init__(
        self,
        *,
        latent: LatentSpec,
        capacity: int = 16,
        consolidation: Consolidation = "merge",
        shared_name: str = "",
        run_id: str = "memory",
    ) -> None:
        if capacity < 1:
            raise ConfigError(f"A memory bank holds at least 1 latent, not {capacity}.")
        if consolidation not in ("merge", "fifo"):
            raise ConfigError(f"Consolidation is 'merge' or 'fifo', not {consolidation!r}.")
        super().__init__(
            latent=latent, capacity=capacity - 1, shared_name=shared_name, run_id=run_id
        )
        self._consolidation = consolidation
        self._neighbours = Neighbours(self._perceptual, self._cognitive)

    def _kind(self) -> str:
        return f"bank({self._capacity + 1}, {self._consolidation})"

    def _make_room(self, incoming: Latent) -> None:
        del incoming
        while len(self._perceptual) > self._capacity:
            if self._consolidation == "fifo" or len(self._perceptual) == 1:
                self._drop(0)
                continue
            pair = self._neighbours.most_alike()
            time_s = sum(self._perceptual.time_s[pair : pair + 2]) / 2
            for stream in self._streams:
                merge(stream, pair, time_s)
