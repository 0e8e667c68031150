"""How it is told what a memory holds and what of it was attended to: for traces and displays.

Both protocols are optional, beside `Memory` and `Policy`; what is not told is not known.
"""

from typing import NamedTuple, Protocol, runtime_checkable

import msgspec


class MemoryUse(NamedTuple):
    """How a policy read its memory the last time.

    `attention` has for each stream ("perceptual", "cognitive") the weight of each entry of the
    view, oldest first; each stream's weights sum to 1. `gate_means` has the mean weight in [0, 1]
    that the current latent kept in each stream.
    """

    attention: dict[str, list[float]]
    gate_means: dict[str, float]


class MemoryReport(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What the policy remembered when it made a chunk, oldest first, and how it read it.

    `times_s` [L] are of the episode [s], `kept_by` [L] the rules that keep each entry, empty where
    that is not known. `attention` has for each stream the weight of each of its entries, and
    `gate_means` the mean weight of the current latent; both empty where the policy cannot tell.
    """

    stamp_ns: int
    times_s: tuple[float, ...]
    kept_by: tuple[str, ...]
    attention: dict[str, tuple[float, ...]] = {}
    gate_means: dict[str, float] = {}


@runtime_checkable
class ShowsMemoryUse(Protocol):
    """A policy that can say how it read its memory."""

    def memory_use(self) -> MemoryUse | None:
        """Of the newest chunk; None if it was made without a latent.

        Called: after a chunk was sent, at most ten times a second, in a run that is watched.
        """
        ...


@runtime_checkable
class TellsKeepers(Protocol):
    """A memory that can say by which of its rules each entry is kept."""

    def keepers(self, now_ns: int) -> tuple[str, ...]:
        """For each entry of `read(now_ns)`, the rules that keep it, joined by "+"."""
        ...
