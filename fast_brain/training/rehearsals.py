"""What a memory holds at each moment of a demonstration, kept small: each entry once.

Which memory, and how large, is drawn anew for each rehearsal, so that one network can be run with
any of them, and has met merged entries before it meets them at run time.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from bridge.arrays import AnyArray, FloatArray
from bridge.memories.anchor import AnchorMemory
from bridge.memories.bank import BankMemory
from bridge.memories.composition import CompositeMemory
from bridge.memories.keyframes import KeyframeMemory
from bridge.memories.memory_vla import MemoryVlaMemory
from bridge.memories.rehearsal import rehearse
from bridge.memories.window import WindowMemory
from bridge.messages import Latent, MemoryView
from bridge.protocols import Memory
from bridge.specs import LatentSpec

_FPS = 20
_NS_PER_S = 1_000_000_000
# Of the looks that a demonstration was given, a slower planner has every second one only.
_SLOW_SHARE = 0.25
_CAPACITIES = (2, 32)
# How often each memory is rehearsed: all kinds together, each alone, and none.
KIND_SHARES: Mapping[str, float] = {
    "composition": 0.42,
    "bank": 0.14,
    "memory_vla": 0.12,
    "window": 0.1,
    "anchor": 0.08,
    "keyframes": 0.08,
    "none": 0.06,
}


class Looks(NamedTuple):
    """The planner's looks at one episode, in order of time, as the library holds them.

    ``frame [K]`` of 50 ms, ``perceptual [K, N, D]``, ``cognitive [K, M, D]``, and the subtask that
    was decided each time.
    """

    frame: AnyArray
    perceptual: AnyArray
    cognitive: AnyArray
    subtask: Sequence[str]


class Entries(NamedTuple):
    """What one stream holds at one moment: rows of the rehearsal's table, and times [s]."""

    ids: AnyArray
    time_s: FloatArray


class Rehearsal:
    """One episode gone through with one memory; `looks` are the looks that were written, by place.

    Args:
        looks: Of the episode.
        random: For the memory, its size and the planner's rate.
        shares: How often each kind is drawn.
    """

    def __init__(
        self,
        looks: Looks,
        random: np.random.Generator,
        shares: Mapping[str, float] = KIND_SHARES,
    ) -> None:
        stride = 2 if random.random() < _SLOW_SHARE else 1
        self.looks = np.arange(0, len(looks.frame), stride)
        self._tables = _Table(), _Table()
        self.views: list[tuple[Entries, Entries]] = []
        if len(self.looks):
            make = _maker(looks, random, shares)
            episode = _as_latents(looks, self.looks)
            views = rehearse(make, episode, random, capacities=_CAPACITIES)
            self.views = [self._keep(view) for view in views]

    def tokens(self, place: int) -> tuple[FloatArray, FloatArray]:
        """Both streams' tokens after the look at a place, newest last: [L, N, D] and [L, M, D]."""
        perceptual, cognitive = self.views[place]
        return self._tables[0].rows(perceptual.ids), self._tables[1].rows(cognitive.ids)

    def _keep(self, view: MemoryView) -> tuple[Entries, Entries]:
        times = view.time_s if view.cognitive_time_s is None else view.cognitive_time_s
        first, second = self._tables
        return (
            Entries(first.ids(view.perceptual, view.time_s), view.time_s),
            Entries(second.ids(view.cognitive, times), times),
        )


class _Table:
    """Arrays that occur again and again, each kept once in half precision."""

    def __init__(self) -> None:
        self._kept: list[AnyArray] = []
        self._id_of: dict[tuple[float, int], int] = {}

    def ids(self, rows: FloatArray, times_s: FloatArray) -> AnyArray:
        return np.array(
            [self._id(row, float(time_s)) for row, time_s in zip(rows, times_s, strict=True)]
        )

    def rows(self, ids: AnyArray) -> FloatArray:
        return np.stack([self._kept[index] for index in ids]).astype(np.float32)

    def _id(self, row: FloatArray, time_s: float) -> int:
        key = (time_s, hash(row.tobytes()))
        if key not in self._id_of:
            self._id_of[key] = len(self._kept)
            self._kept.append(row.astype(np.float16))
        return self._id_of[key]


def _as_latents(looks: Looks, places: AnyArray) -> list[Latent]:
    latents: list[Latent] = []
    subtask_number = 0
    for sequence, place in enumerate(places):
        text = looks.subtask[int(place)]
        if latents and latents[-1].subtask_text != text:
            subtask_number += 1
        stamp_ns = round(int(looks.frame[place]) * _NS_PER_S / _FPS)
        latents.append(
            Latent(
                perceptual=looks.perceptual[place].astype(np.float32),
                cognitive=looks.cognitive[place].astype(np.float32),
                observation_stamp_ns=stamp_ns,
                ready_stamp_ns=stamp_ns,
                sequence=sequence,
                plan_id="",
                subtask_id=str(subtask_number),
                subtask_text=text,
                episode_id="",
            )
        )
    return latents


def _maker(
    looks: Looks, random: np.random.Generator, shares: Mapping[str, float]
) -> Callable[[int], Memory]:
    spec = LatentSpec(
        perceptual_tokens=looks.perceptual.shape[1],
        cognitive_tokens=looks.cognitive.shape[1],
        width=looks.cognitive.shape[2],
    )
    weights = np.array(list(shares.values()))
    kind = str(random.choice(list(shares), p=weights / weights.sum()))
    few = int(random.integers(2, 7))

    def make(capacity: int) -> Memory:
        alone: dict[str, Callable[[], Memory]] = {
            "bank": lambda: BankMemory(latent=spec, capacity=capacity),
            "memory_vla": lambda: MemoryVlaMemory(latent=spec, capacity=capacity),
            "window": lambda: WindowMemory(latent=spec, capacity=capacity),
            "anchor": lambda: AnchorMemory(latent=spec),
            "keyframes": lambda: KeyframeMemory(latent=spec, capacity=few),
            "none": lambda: BankMemory(latent=spec, capacity=1),
        }
        if kind != "composition":
            return alone[kind]()
        window = WindowMemory(latent=spec, capacity=few)
        parts = [alone["anchor"](), alone["keyframes"](), window, alone["memory_vla"]()]
        return CompositeMemory(latent=spec, parts=parts)

    return make
