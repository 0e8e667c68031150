"""What a run looks like over time, in lanes of bars and curves; the same live and recorded."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

# From what is wanted to what is done, as they are drawn from top to bottom.
LANES = ("subtask", "plan", "chunks", "ladder", "held", "misses", "faults")
# Time [s] and value.
Points = Sequence[tuple[float, float]]


class Bar(NamedTuple):
    """A stretch of one lane [s since the run began]; a moment if both ends are the same.

    `look` says how it is coloured: a subtask's state, or the lane's own name.
    """

    lane: str
    first_s: float
    last_s: float
    look: str
    words: str


class MemoryEntry(NamedTuple):
    """One remembered latent: when it was made [s of its episode], what keeps it, and its weight.

    `weight` is the share of attention in [0, 1] that it got; None where that is not known.
    """

    time_s: float
    kept_by: str
    weight: float | None


class MemorySample(NamedTuple):
    """What the policy remembered at one moment [s since the run began]."""

    at_s: float
    entries: tuple[MemoryEntry, ...]


@dataclass(frozen=True, kw_only=True)
class Chronicle:
    """What happened from `first_s` to `last_s` [s since the run began], ready to be drawn.

    `latent_age_s` is the age of the latent in use [s], `gate` its mean weight in [0, 1], `late_ms`
    the latest waking of the control loop around each point [ms]; `actions` is what the robot was
    sent, by dimension, in the units of its `ActionSpec`.
    """

    first_s: float
    last_s: float
    bars: tuple[Bar, ...] = ()
    latent_age_s: Points = ()
    gate: Points = ()
    late_ms: Points = ()
    actions: Mapping[str, Points] = field(default_factory=dict[str, Points])
    memory: tuple[MemorySample, ...] = ()


def thinned(points: Points, most: int) -> Points:
    """At most `most` of the points; of each group the highest stays, so that no peak is lost."""
    if len(points) <= most:
        return points
    group = -(-len(points) // most)
    groups = (points[first : first + group] for first in range(0, len(points), group))
    return [max(each, key=lambda point: point[1]) for each in groups]


def every(points: Points, most: int) -> Points:
    """At most `most` of the points, evenly: of what has no direction that would be the worse."""
    return points[:: -(-len(points) // most)] if len(points) > most else points


def stretches(lane: str, moves: Iterable[tuple[float, str, str]], last_s: float) -> Iterable[Bar]:
    """Bars from moves that each end what was before: (time [s], look or "" for none, words)."""
    since: tuple[float, str, str] | None = None
    for at_s, look, words in moves:
        if since is not None:
            yield Bar(lane, since[0], at_s, *since[1:])
        since = (at_s, look, words) if look else None
    if since is not None:
        yield Bar(lane, since[0], last_s, *since[1:])


def memory_sample(
    at_s: float,
    times_s: Sequence[float],
    kept_by: Sequence[str],
    attention: Iterable[Sequence[float]],
) -> MemorySample:
    """What was remembered at a moment; an entry's weight is the mean of its streams' weights.

    Args:
        at_s: When it was [s since the run began].
        times_s: When each entry was made [s of its episode].
        kept_by: What keeps each.
        attention: By stream; one that remembers other times has other entries and is left out.
    """
    count = len(times_s)
    streams = [weights for weights in attention if len(weights) == count]
    means = [sum(each) / len(streams) for each in zip(*streams, strict=True)] if streams else []
    entries = zip(times_s, kept_by, means or [None] * count, strict=True)
    return MemorySample(at_s, tuple(MemoryEntry(*each) for each in entries))
