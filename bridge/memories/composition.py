"""Several memories read as one: what any of them keeps is remembered, once."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, cast

import msgspec
import numpy as np

from bridge.arrays import FloatArray, frozen_array
from bridge.codec import decode, encode
from bridge.errors import ConfigError, ContractError, TandemError
from bridge.memories.contents import empty_contents
from bridge.memories.episode_memory import SNAPSHOT_VERSION, check_order, check_words
from bridge.memory_use import TellsKeepers
from bridge.messages import Latent, MemoryView
from bridge.plugins import make_plugin
from bridge.protocols import Memory
from bridge.specs import LatentSpec

# What later work found to be worth most, each with its own rule (docs/memory.md).
DEFAULT_PARTS: tuple[Mapping[str, object], ...] = (
    {"memory": "anchor"},
    {"memory": "keyframes", "capacity": 5},
    {"memory": "window", "capacity": 4},
)


class CompositionSnapshot(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The snapshots of the parts, in order, and where the episode stands."""

    version: int
    spec: LatentSpec
    parts: tuple[bytes, ...]
    episode_id: str
    start_ns: int | None
    newest_stamp_ns: int
    is_empty: bool


class CompositeMemory:
    """Writes each latent to all its parts; a view is what they hold, in order of time, each once.

    Args:
        latent: Shape of the latents; others are refused.
        parts: One mapping each: `memory` names the kind, the rest are its options. A memory that
            is made already may stand there too.
    """

    def __init__(
        self,
        *,
        latent: LatentSpec,
        parts: Sequence[Mapping[str, object] | Memory] = DEFAULT_PARTS,
    ) -> None:
        if not parts:
            raise ConfigError(
                "A composed memory has at least 1 part; give parts: [{memory: window}]."
            )
        self._spec = latent
        self._parts = [_make(part, latent) for part in parts]
        self._episode = empty_contents(0)
        self._is_empty = True
        self._merged: MemoryView | None = None

    @property
    def parts(self) -> tuple[Memory, ...]:
        """The memories it is made of."""
        return tuple(self._parts)

    def reset(self, *, episode_id: str, start_ns: int) -> None:
        """Let every part forget."""
        for part in self._parts:
            part.reset(episode_id=episode_id, start_ns=start_ns)
        self._note(episode_id=episode_id, start_ns=start_ns)

    def write(self, latent: Latent) -> None:
        """Offer one latent to every part.

        Raises:
            ContractError: Wrong shape, not finite, older than the newest or than the episode, or
                of another episode. No part has seen it then.
        """
        self._spec.validate(latent)
        check_order(latent, self._episode, is_empty=self._is_empty)
        check_words(latent)
        for part in self._parts:
            part.write(latent)
        start_ns, episode_id = self._episode.start_ns, self._episode.episode_id
        if start_ns is None:
            start_ns, episode_id = latent.observation_stamp_ns, latent.episode_id
        self._note(
            episode_id=episode_id,
            start_ns=start_ns,
            newest_stamp_ns=latent.observation_stamp_ns,
            is_empty=False,
        )

    def read(self, now_ns: int) -> MemoryView:
        """All that any part holds; merged once per write and shared between reads."""
        views = [part.read(now_ns) for part in self._parts]
        if self._merged is None:
            self._merged = merge_views(views)
        merged = self._merged
        return msgspec.structs.replace(
            views[0],
            perceptual=merged.perceptual,
            cognitive=merged.cognitive,
            time_s=merged.time_s,
            cognitive_time_s=merged.cognitive_time_s,
        )

    def keepers(self, now_ns: int) -> tuple[str, ...]:
        """For each entry the parts that hold one of its time, in the parts' order."""
        held = [(name, set(part.read(now_ns).time_s.tolist())) for name, part in self._named()]
        return tuple(
            "+".join(name for name, times in held if time_s in times)
            for time_s in self.read(now_ns).time_s.tolist()
        )

    def _named(self) -> Iterator[tuple[str, Memory]]:
        """Each part with what it calls itself, or the name of its class."""
        for part in self._parts:
            told = part.keepers(0) if isinstance(part, TellsKeepers) else ()
            yield next(iter(told), type(part).__name__), part

    def snapshot(self) -> bytes:
        """The parts' snapshots in one."""
        episode = self._episode
        return encode(
            CompositionSnapshot(
                version=SNAPSHOT_VERSION,
                spec=self._spec,
                parts=self._snapshots(),
                episode_id=episode.episode_id,
                start_ns=episode.start_ns,
                newest_stamp_ns=episode.newest_stamp_ns,
                is_empty=self._is_empty,
            )
        )

    def restore(self, snapshot: bytes) -> None:
        """Go back to a snapshot of a memory with the same parts.

        Raises:
            TransportError: The bytes are not msgpack.
            ContractError: Not a snapshot, or one that does not fit. No part is changed then.
        """
        saved = decode(snapshot, CompositionSnapshot)
        mine = (SNAPSHOT_VERSION, len(self._parts), self._spec)
        theirs = (saved.version, len(saved.parts), saved.spec)
        if mine != theirs:
            raise ContractError(
                leaf="snapshot",
                expected="version {} of {} parts for {}".format(*mine),
                got="version {} of {} parts for {}".format(*theirs),
            )
        before = self._snapshots()
        try:
            self._restore_parts(saved.parts)
        except TandemError:
            self._restore_parts(before)
            raise
        self._note(
            episode_id=saved.episode_id,
            start_ns=saved.start_ns,
            newest_stamp_ns=saved.newest_stamp_ns,
            is_empty=saved.is_empty,
        )

    def _snapshots(self) -> tuple[bytes, ...]:
        return tuple(part.snapshot() for part in self._parts)

    def _restore_parts(self, snapshots: tuple[bytes, ...]) -> None:
        for part, snapshot in zip(self._parts, snapshots, strict=True):
            part.restore(snapshot)

    def _note(
        self,
        *,
        episode_id: str,
        start_ns: int | None,
        newest_stamp_ns: int = 0,
        is_empty: bool = True,
    ) -> None:
        self._episode = msgspec.structs.replace(
            self._episode,
            episode_id=episode_id,
            start_ns=start_ns,
            newest_stamp_ns=newest_stamp_ns,
        )
        self._is_empty, self._merged = is_empty, None


class Mem0Memory(CompositeMemory):
    """Mem-0's memory: the subtask's first latent and its last `capacity`, forgotten at its end.

    Source: Mem-0 in RMBench (arXiv 2603.01229): one anchor and a queue of 30, reset per subtask.
    What reads it there has relative places and no gate: `bridge.fusion.relative`.
    """

    def __init__(self, *, latent: LatentSpec, capacity: int = 30) -> None:
        anchor: Mapping[str, object] = {"memory": "anchor", "episode": False, "subtasks": 1}
        window = {"memory": "window", "capacity": capacity, "subtask_only": True}
        super().__init__(latent=latent, parts=(anchor, window))


def merge_views(views: Sequence[MemoryView]) -> MemoryView:
    """One view of several of the same moment: every entry once, in order of time, newest last.

    Two entries are the same when both streams' times and tokens are.
    """
    kept: list[_Seen] = []
    for view in views:
        for place in range(view.time_s.shape[0]):
            seen = _Seen.of(view, place)
            if not any(seen.is_same(other) for other in kept):
                kept.append(seen)
    if not kept:
        return views[0]
    newest = _Seen.of(views[0], views[0].time_s.shape[0] - 1)
    kept.sort(key=lambda seen: (seen.time_s, seen.is_same(newest)))
    return msgspec.structs.replace(
        views[0],
        perceptual=frozen_array(np.stack([seen.perceptual for seen in kept])),
        cognitive=frozen_array(np.stack([seen.cognitive for seen in kept])),
        time_s=frozen_array(np.array([seen.time_s for seen in kept], np.float32)),
        cognitive_time_s=_second_times(kept),
    )


class _Seen(NamedTuple):
    """One entry of a view, in place."""

    time_s: float
    cognitive_time_s: float
    perceptual: FloatArray
    cognitive: FloatArray

    @classmethod
    def of(cls, view: MemoryView, place: int) -> "_Seen":
        times = view.time_s if view.cognitive_time_s is None else view.cognitive_time_s
        return cls(
            float(view.time_s[place]),
            float(times[place]),
            view.perceptual[place],
            view.cognitive[place],
        )

    def is_same(self, other: "_Seen") -> bool:
        return (
            self.time_s == other.time_s
            and self.cognitive_time_s == other.cognitive_time_s
            and np.array_equal(self.cognitive, other.cognitive)
            and np.array_equal(self.perceptual, other.perceptual)
        )


def _second_times(kept: list[_Seen]) -> FloatArray | None:
    if all(seen.time_s == seen.cognitive_time_s for seen in kept):
        return None
    return frozen_array(np.array([seen.cognitive_time_s for seen in kept], np.float32))


def _make(part: Mapping[str, object] | Memory, latent: LatentSpec) -> Memory:
    if not isinstance(part, Mapping):
        return part
    options = {key: value for key, value in part.items() if key != "memory"}
    name = part.get("memory")
    if not isinstance(name, str):
        raise ConfigError(
            f"A part of a memory says which kind it is, such as memory: window; got {dict(part)}."
        )
    return cast("Memory", make_plugin("memory", name, {"latent": latent, **options}))
