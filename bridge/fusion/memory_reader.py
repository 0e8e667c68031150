"""Reading a memory at run time: what an entry was projected to is kept for as long as it lives.

The published code projects every token of every entry again on each call. Here keys and values are
worked out once for each entry, and again only when it changed; what was retrieved holds until
there is another latent, because nothing it depends on grows older; and of the gate only the part
that sees the age is worked out anew. The numbers are those of `StreamReading`.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors.torch import load_file  # pyright: ignore[reportUnknownVariableType]

from bridge.arrays import FloatArray
from bridge.clock import seconds_between
from bridge.errors import ContractError, MissingWeightsError, TransportError
from bridge.fusion.memory_vla import Fused, MemoryVla, StreamReading, published
from bridge.fusion.memory_vla_weights import load_published
from bridge.memories.contents import Streams
from bridge.memories.memory_vla import Variant
from bridge.memories.rows import StreamEntries
from bridge.memories.stores import SharedMemoryReader
from bridge.memory_use import MemoryUse
from bridge.specs import LatentSpec

_TRIES = 4


class FusedLatent(NamedTuple):
    """Both streams after fusion [N, D] and [M, D], and how much of the latent stayed in each.

    The gate means lie in (0, 1); 1 is all latent and no memory.
    """

    perceptual: FloatArray
    cognitive: FloatArray
    perceptual_gate_mean: float
    cognitive_gate_mean: float

    @property
    def gate_mean(self) -> float:
        """Mean of both streams' gates, as an `ActionChunk` carries it."""
        return (self.perceptual_gate_mean + self.cognitive_gate_mean) / 2


class MemoryReader:
    """Fuses the newest latent of a memory with the entries before it; for one thread.

    Args:
        network: Its weights must not change meanwhile; call `forget` if they did.
    """

    def __init__(self, network: MemoryVla) -> None:
        self.network = network.eval()
        self._perceptual = StreamReader(network.per_mem_bank)
        self._cognitive = StreamReader(network.cog_mem_bank)
        self._fused: FusedLatent | None = None

    def read(self, streams: Streams, age_s: float) -> FusedLatent:
        """Fuse what a memory holds.

        Args:
            streams: From the memory; must hold the newest latent.
            age_s: Age of the newest latent at this moment [s], ≥ 0.

        Raises:
            ContractError: Nothing was remembered yet, or the width is another.
        """
        first = self._perceptual.read(streams.perceptual, age_s)
        second = self._cognitive.read(streams.cognitive, age_s)
        self._fused = FusedLatent(
            _array(first.tokens),
            _array(second.tokens),
            float(first.gate.mean()),
            float(second.gate.mean()),
        )
        return self._fused

    def memory_use(self) -> MemoryUse | None:
        """How the memory was read the last time, for a policy to show; None before."""
        if self._fused is None:
            return None
        return MemoryUse(
            {
                "perceptual": self._perceptual.attention(),
                "cognitive": self._cognitive.attention(),
            },
            {
                "perceptual": self._fused.perceptual_gate_mean,
                "cognitive": self._fused.cognitive_gate_mean,
            },
        )

    def read_shared(self, memory: SharedMemoryReader, now_ns: int) -> FusedLatent:
        """Fuse what another process remembers, read in place: nothing is copied but what is new.

        Raises:
            ContractError: Nothing was remembered yet, or the width is another.
            TransportError: The writer was faster, each time it was tried.
        """
        for _ in range(_TRIES):
            contents, streams = memory.streams()
            fused = self.read(streams, seconds_between(contents.newest_stamp_ns, now_ns))
            if memory.is_intact(contents):
                return fused
            # What was projected may be of rows that were taken again meanwhile.
            self.forget()
        raise TransportError(
            f"The memory changed too often during each of {_TRIES} reads; write latents more "
            "slowly than they are read."
        )

    def fuse_newest(self, streams: Streams) -> tuple[FloatArray, FloatArray]:
        """Both streams of the newest latent, as a memory stores them that stores fused ones."""
        fused = self.read(streams, 0.0)
        return fused.perceptual, fused.cognitive

    def forget(self) -> None:
        """Drop everything that was kept; for when the weights have changed."""
        self._perceptual = StreamReader(self.network.per_mem_bank)
        self._cognitive = StreamReader(self.network.cog_mem_bank)


class StreamReader:
    """One stream's keys and values by the ids of its entries, and what was last retrieved."""

    def __init__(self, reading: StreamReading) -> None:
        self._reading = reading
        self._slot_ids: list[int] = []
        # Of each layer, keys and values [C, N, D]; the first rows are those of `_slot_ids`.
        self._projected: list[tuple[torch.Tensor, torch.Tensor]] = []
        self._retrieved: _Retrieved | None = None

    @torch.inference_mode()
    def read(self, entries: StreamEntries, age_s: float) -> Fused:
        """Fuse the last entry with those before it: ``[1, N, D]`` each.

        Raises:
            ContractError: There is no entry, or its width is another than the network's.
        """
        held = self._retrieved
        if held is None or not np.array_equal(held.ids, entries.ids):
            held = self._retrieved = self._retrieve(entries)
        age = torch.tensor([age_s])
        return self._reading.mix(held.current, held.tokens, held.gate_content, age)

    @torch.inference_mode()
    def attention(self) -> list[float]:
        """How much each entry was read the last time, summing to 1; the last is the latent's own.

        Worked out when asked; empty before the first read.
        """
        held = self._retrieved
        if held is None:
            return []
        if len(held.ids) == 1:
            return [1.0]
        weights = self._reading.attention(held.current, self._kept())[0]
        of_entry = [float(weight) for weight in weights.view(len(self._slot_ids), -1).sum(-1)]
        known = dict(zip(self._slot_ids, of_entry, strict=True))
        return [known.get(int(number), 0.0) for number in held.ids]

    def _kept(self) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Of each layer, the keys and values of the entries before the last, in a batch of one."""
        count = len(self._slot_ids)
        return [
            (keys[:count].flatten(0, 1)[None], values[:count].flatten(0, 1)[None])
            for keys, values in self._projected
        ]

    def _retrieve(self, entries: StreamEntries) -> "_Retrieved":
        self._check(entries)
        last = entries.row_of[-1:]
        current = _tensor(entries.rows[last])
        if len(entries.ids) > 1:
            self._refresh(entries)
            retrieved = self._reading.retrieve(current, self._kept())
        elif self._reading.config.attends_to_itself:
            time_s = torch.tensor(entries.time_s[-1:], dtype=torch.float32)
            retrieved = self._reading.retrieve(current, self._reading.project(current, time_s))
        else:
            retrieved = current
        content = self._reading.gate_content(current, retrieved)
        return _Retrieved(entries.ids, current, retrieved, content)

    def _refresh(self, entries: StreamEntries) -> None:
        """Let the slots hold the entries before the last; only new ones are projected."""
        wanted = {int(number): place for place, number in enumerate(entries.ids[:-1])}
        held = set(self._slot_ids)
        new = [number for number in wanted if number not in held]
        gone = [slot for slot, number in enumerate(self._slot_ids) if number not in wanted]
        slots = [*gone, *range(len(self._slot_ids), len(wanted))][: len(new)]
        self._project(entries, [wanted[number] for number in new], slots)
        for slot, number in zip(slots, new, strict=True):
            self._slot_ids[slot : slot + 1] = [number]
        # From the end, so that the slot that moves into a gap is never a gap itself.
        for slot in reversed(gone[len(new) :]):
            self._close_gap(slot)

    def _project(self, entries: StreamEntries, places: list[int], slots: list[int]) -> None:
        if not places:
            return
        tokens = _tensor(entries.rows[entries.row_of[places]])
        times = torch.tensor(entries.time_s[places], dtype=torch.float32)
        made = self._reading.project(tokens, times)
        self._reserve(max(slots) + 1, made)
        where = torch.tensor(slots)
        for (keys, values), (new_keys, new_values) in zip(self._projected, made, strict=True):
            keys[where], values[where] = new_keys, new_values

    def _reserve(self, count: int, made: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
        """Have room for `count` entries; grows by doubling until the memory is full once."""
        room = self._projected[0][0].shape[0] if self._projected else 0
        if count <= room:
            return
        larger = max(count, 2 * room)
        before = self._projected
        shape = (larger, *made[0][0].shape[1:])
        self._projected = [(torch.empty(shape), torch.empty(shape)) for _ in made]
        for old, new in zip(before, self._projected, strict=False):
            for tensor, place in zip(old, new, strict=True):
                place[:room] = tensor

    def _close_gap(self, slot: int) -> None:
        last = len(self._slot_ids) - 1
        for keys, values in self._projected:
            keys[slot], values[slot] = keys[last], values[last]
        self._slot_ids[slot] = self._slot_ids[last]
        del self._slot_ids[last]

    def _check(self, entries: StreamEntries) -> None:
        width = entries.rows.shape[-1]
        if not len(entries.ids) or width != self._reading.config.width:
            raise ContractError(
                leaf="memory",
                expected=f"at least 1 entry of width {self._reading.config.width}",
                got=f"{len(entries.ids)} of width {width}",
            )


class _Retrieved(NamedTuple):
    """What was read for one latent from one set of entries."""

    ids: "np.ndarray[tuple[int, ...], np.dtype[np.int64]]"
    current: torch.Tensor
    tokens: torch.Tensor
    gate_content: torch.Tensor


def load_reader(weights: str, latent: LatentSpec, variant: Variant) -> MemoryReader:
    """A reader with published weights, both streams of the latent's width.

    Raises:
        MissingWeightsError: There is no file at the path.
        ContractError: It is not of this network.
    """
    path = Path(weights)
    if not path.is_file():
        raise MissingWeightsError(
            path=weights,
            how_to_make="safetensors.torch.save_file(named_as_published(network, variant), PATH)",
        )
    config = published(variant, latent.width)
    network = MemoryVla(config, config)
    load_published(network, load_file(path))
    return MemoryReader(network)


def _tensor(tokens: FloatArray) -> torch.Tensor:
    return torch.from_numpy(tokens)  # pyright: ignore[reportUnknownMemberType]


def _array(tokens: torch.Tensor) -> FloatArray:
    array: FloatArray = tokens[0].numpy()
    array.flags.writeable = False
    return array
