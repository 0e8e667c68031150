"""MemoryVLA's bank: what it keeps, and how it makes one of two, in both published variants.

What is read from it stands in `bridge.fusion.memory_vla`; this file is about what is remembered.
The variants differ here in two rules:

    variant     what is written                  the time of what two entries were merged into
    openvla     the latent as it came            that of the earlier entry
    dexbotic    the latent after fusion          the mean of both

Both merge without weights, so that an entry that was merged often leans to its newest part, and
both let the newest entry be merged like any other, once it is no longer the newest.

Source: MemoryVLA (arXiv 2508.19236), sections on consolidation, as its two code bases do it. The
time of an entry is seconds of the episode here; there it is a frame in training and a call at run
time.
"""

from typing import ClassVar, Literal, Protocol

from bridge.arrays import FloatArray
from bridge.errors import ConfigError
from bridge.memories.contents import Streams
from bridge.memories.episode_memory import EpisodeMemory
from bridge.memories.neighbours import Neighbours, merge
from bridge.memories.rows import StreamRows
from bridge.messages import Latent
from bridge.specs import LatentSpec

Variant = Literal["openvla", "dexbotic"]
Consolidation = Literal["tome", "fifo"]
MergedTime = Literal["earlier", "mean"]
MERGED_TIME: dict[Variant, MergedTime] = {"openvla": "earlier", "dexbotic": "mean"}
STORES_FUSED: dict[Variant, bool] = {"openvla": False, "dexbotic": True}


class Fuser(Protocol):
    """What makes a fused latent of the newest one; `bridge.fusion.memory_reader` has it."""

    def fuse_newest(self, streams: Streams) -> tuple[FloatArray, FloatArray]:
        """The last entry of both streams fused with the entries before it: [N, D] and [M, D]."""
        ...


class MemoryVlaMemory(EpisodeMemory):
    """Perceptual and cognitive streams of their own, each merging where it changes least.

    Args:
        latent: Shape of the latents; others are refused.
        variant: Whose rules hold; the next three overrule it one by one.
        capacity: How many entries are kept beside the newest; 16 as published.
        consolidation: When full, "tome" makes one of the two neighbours that are most alike (the
            earliest of several equal pairs), "fifo" drops the oldest.
        merged_time: "earlier" or "mean" of the two; None as in the variant.
        store_fused: Write latents after fusion; None as in the variant. It takes `weights`, or a
            `fuser`.
        weights: A safetensors file of `bridge.fusion.memory_vla.MemoryVla`, to fuse with.
        fuser: What fuses, in the stead of `weights`.
        shared_name: If given, other processes read it in place under this name.
        run_id: Of the run; names the shared memory too.
    """

    _name: ClassVar[str] = "memory_vla"

    def __init__(
        self,
        *,
        latent: LatentSpec,
        variant: Variant = "openvla",
        capacity: int = 16,
        consolidation: Consolidation = "tome",
        merged_time: MergedTime | None = None,
        store_fused: bool | None = None,
        weights: str = "",
        fuser: Fuser | None = None,
        shared_name: str = "",
        run_id: str = "memory",
    ) -> None:
        _check_choice("variant", variant, ("openvla", "dexbotic"))
        _check_choice("consolidation", consolidation, ("tome", "fifo"))
        self._merged_time = merged_time or MERGED_TIME[variant]
        _check_choice("merged_time", self._merged_time, ("earlier", "mean"))
        self._consolidation = consolidation
        self._stores_fused = STORES_FUSED[variant] if store_fused is None else store_fused
        self._fuser = fuser or _load_fuser(weights, latent, variant)
        if self._stores_fused and self._fuser is None:
            raise ConfigError(
                f"Variant {variant!r} writes fused latents, which takes a network: give `weights`, "
                "or set store_fused: false to write them as they come."
            )
        super().__init__(latent=latent, capacity=capacity, shared_name=shared_name, run_id=run_id)
        self._neighbours = Neighbours(self._perceptual), Neighbours(self._cognitive)

    def _kind(self) -> str:
        stored = "fused" if self._stores_fused else "raw"
        return (
            f"memory_vla({self._capacity}, {self._consolidation}, {self._merged_time} time, "
            f"{stored})"
        )

    def _make_room(self, incoming: Latent) -> None:
        del incoming
        if self._stores_fused and self._fuser is not None and len(self._perceptual):
            fused = self._fuser.fuse_newest(self.streams())
            for stream, tokens in zip(self._streams, fused, strict=True):
                stream.replace(len(stream) - 1, tokens, stream.time_s[-1])
        for stream, neighbours in zip(self._streams, self._neighbours, strict=True):
            while len(stream) > self._capacity:
                self._consolidate(stream, neighbours)

    def _consolidate(self, stream: StreamRows, neighbours: Neighbours) -> None:
        if self._consolidation == "fifo":
            stream.drop(0)
            return
        pair = neighbours.most_alike()
        times = stream.time_s[pair : pair + 2]
        merge(stream, pair, times[0] if self._merged_time == "earlier" else sum(times) / 2)


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ConfigError(f"The memory's {name} is one of {', '.join(choices)}, not {value!r}.")


def _load_fuser(weights: str, latent: LatentSpec, variant: Variant) -> Fuser | None:
    if not weights:
        return None
    # torch takes a second to import, and most memories do without.
    from bridge.fusion.memory_reader import load_reader

    return load_reader(weights, latent, variant)
