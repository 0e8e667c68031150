"""What a memory holds at one moment, without the tokens: the table that readers go by."""

from typing import NamedTuple

import msgspec
import numpy as np

from bridge.arrays import AnyArray, FloatArray, frozen_array
from bridge.clock import seconds_between
from bridge.memories.rows import StreamEntries
from bridge.messages import MemoryView
from bridge.specs import LatentSpec


class Contents(msgspec.Struct, frozen=True, kw_only=True, tag=True, eq=False):
    """The order of the rows after one change, and where the episode stands.

    `version` grows by one with each change, resets included. Per stream: rows [L], ids [L] and
    times [L] [s of the episode]; L may be 0. `start_ns` is None before an episode has begun.
    """

    version: int
    episode_id: str = ""
    start_ns: int | None = None
    newest_stamp_ns: int = 0
    latent_sequence: int = -1
    subtask_id: str = ""
    subtask_text: str = ""
    perceptual_rows: AnyArray
    perceptual_ids: AnyArray
    perceptual_time_s: AnyArray
    cognitive_rows: AnyArray
    cognitive_ids: AnyArray
    cognitive_time_s: AnyArray


class Streams(NamedTuple):
    """Both streams of a memory, in place."""

    perceptual: StreamEntries
    cognitive: StreamEntries


def empty_contents(version: int) -> Contents:
    """Before anything was remembered."""
    none = frozen_array(np.zeros(0, np.int64))
    no_time = frozen_array(np.zeros(0, np.float64))
    return Contents(
        version=version,
        perceptual_rows=none,
        perceptual_ids=none,
        perceptual_time_s=no_time,
        cognitive_rows=none,
        cognitive_ids=none,
        cognitive_time_s=no_time,
    )


def streams_of(contents: Contents, perceptual: FloatArray, cognitive: FloatArray) -> Streams:
    """Both streams in place: the rows of each [R, N, D], seen through the table."""
    return Streams(
        StreamEntries(
            perceptual,
            contents.perceptual_rows,
            contents.perceptual_ids,
            contents.perceptual_time_s,
        ),
        StreamEntries(
            cognitive, contents.cognitive_rows, contents.cognitive_ids, contents.cognitive_time_s
        ),
    )


class Copied(NamedTuple):
    """Both streams' tokens and times, copied out once for all reads until the next change."""

    perceptual: FloatArray
    cognitive: FloatArray
    time_s: FloatArray
    cognitive_time_s: FloatArray | None


def copy_streams(streams: Streams) -> Copied:
    """Copy both streams out; the second times only where they differ from the first."""
    first, second = streams
    is_same = np.array_equal(first.time_s, second.time_s)
    return Copied(
        first.copy(),
        second.copy(),
        frozen_array(first.time_s, np.float32),
        None if is_same else frozen_array(second.time_s, np.float32),
    )


def view_of(contents: Contents, copied: Copied, now_ns: int) -> MemoryView:
    """What the policy is handed at this moment."""
    start_ns, is_empty = contents.start_ns, copied.time_s.shape[0] == 0
    return MemoryView(
        perceptual=copied.perceptual,
        cognitive=copied.cognitive,
        time_s=copied.time_s,
        cognitive_time_s=copied.cognitive_time_s,
        newest_age_s=(
            float("inf") if is_empty else seconds_between(contents.newest_stamp_ns, now_ns)
        ),
        latent_sequence=contents.latent_sequence,
        subtask_id=contents.subtask_id,
        subtask_text=contents.subtask_text,
        now_s=0.0 if start_ns is None else seconds_between(start_ns, now_ns),
    )


def stream_shapes(spec: LatentSpec) -> tuple[tuple[int, int], tuple[int, int]]:
    """Tokens and width of the perceptual and of the cognitive stream."""
    return (spec.perceptual_tokens, spec.width), (spec.cognitive_tokens, spec.width)
