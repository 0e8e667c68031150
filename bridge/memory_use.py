"""How it is told what a memory holds and what of it was attended to: for traces and displays.

Both protocols are optional, beside `Memory` and `Policy`; what is not told is not known.
"""

from typing import NamedTuple, Protocol, runtime_checkable


class MemoryUse(NamedTuple):
    """How a policy read its memory the last time.

    `attention` has for each stream ("perceptual", "cognitive") the weight of each entry of the
    view, oldest first; each stream's weights sum to 1. `gate_means` has the mean weight in [0, 1]
    that the current latent kept in each stream.
    """

    attention: dict[str, list[float]]
    gate_means: dict[str, float]


@runtime_checkable
class ShowsMemoryUse(Protocol):
    """A policy that can say how it read its memory."""

    def memory_use(self) -> MemoryUse | None:
        """Of the newest chunk; None if it was made without a latent.

        Called: after a chunk was sent, at most ten times a second, in a run that is recorded.
        """
        ...


@runtime_checkable
class TellsKeepers(Protocol):
    """A memory that can say by which of its rules each entry is kept."""

    def keepers(self, now_ns: int) -> tuple[str, ...]:
        """For each entry of `read(now_ns)`, the rules that keep it, joined by "+"."""
        ...
