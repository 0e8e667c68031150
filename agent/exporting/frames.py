"""A goal as rows of a fixed rate: what was sensed, what was seen, and what the robot was sent then.

Datasets want one row each 1/rate s. What the robot sensed was recorded about that often, but not on
the beat: each row takes the observation nearest to its time, and the last action that was sent
before the next row.
"""

import bisect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np

from agent.exporting.stretch import GoalStretch, Stretch
from agent.recording.observation_facts import OBSERVATION, observation_from
from agent.recording.reading import RecordedEvent
from agent.recording.redaction import REDACTED
from agent.tracing.pictures import cameras, picture, picture_bytes
from agent.tracing.runs import Run
from agent.tracing.ticks import TICKS, ticks_of
from bridge.arrays import AnyArray, FloatArray
from bridge.errors import ConfigError

_NS_PER_S = 1_000_000_000
# Decoded and kept: a scene that stands still shows the same picture for seconds.
_MOST_PICTURES = 64


class Sensed(NamedTuple):
    """What the robot measured at an instant, and what its cameras' pictures are called."""

    stamp_ns: int
    numbers: Mapping[str, AnyArray]
    pictures: Mapping[str, str]


class Frame(NamedTuple):
    """One row.

    `action` [A] is what the robot was sent until the next row, and went on with if nothing was sent
    then; `is_commanded` says whether it was a command of the policy's in that time, and not a hold.
    """

    at_ns: int
    sensed: Sensed
    action: FloatArray
    is_commanded: bool


@dataclass(frozen=True, kw_only=True)
class Episode:
    """One goal's rows, `rate_hz` of them a second, at least one."""

    goal: GoalStretch
    rate_hz: int
    frames: tuple[Frame, ...]

    @cached_property
    def times_s(self) -> FloatArray:
        """The time of each row since the first one [s], as float32."""
        return (np.arange(len(self.frames)) / self.rate_hz).astype(np.float32)

    def row_of(self, stamp_ns: int) -> int | None:
        """The first row at or after a moment [ns]; None after the last."""
        stamps = [frame.at_ns for frame in self.frames]
        row = bisect.bisect_left(stamps, stamp_ns)
        return row if row < len(stamps) else None


class Pictures:
    """Reads the pictures of a run, the newest ones once only.

    Args:
        stretch: Whose.
    """

    def __init__(self, stretch: Stretch) -> None:
        self._run = stretch.run
        self.cameras = cameras(stretch.run)
        self._known = {name for part in stretch.run.parts for name in part.index.pictures}
        self._read = lru_cache(maxsize=_MOST_PICTURES)(self._bytes_of)

    def has(self, name: str) -> bool:
        """Whether a picture of that name was recorded and is kept."""
        return name in self._known

    def file(self, name: str) -> tuple[bytes, str]:
        """A picture's file, and its format: "png" or "jpeg".

        Raises:
            ConfigError: It is damaged.
        """
        return self._read(name)

    def _bytes_of(self, name: str) -> tuple[bytes, str]:
        return picture_bytes(self._run, name)


def episodes_of(stretch: Stretch, pictures: Pictures) -> Iterator[Episode]:
    """The goals of a stretch as rows, those left out in which the robot was never sent anything.

    Raises:
        ConfigError: What the robot sensed is not recorded, or it had no goal.
    """
    rate_hz = observation_rate_hz(stretch)
    if not stretch.goals:
        raise ConfigError(
            f"Run {stretch.run.id} had no goal from {stretch.run.seconds(stretch.first_ns):g} s to "
            f"{stretch.run.seconds(stretch.last_ns):g} s: a dataset has one episode a goal."
        )
    for goal in stretch.goals:
        frames = tuple(_frames(stretch, goal, rate_hz, pictures))
        if frames:
            yield Episode(goal=goal, rate_hz=rate_hz, frames=frames)


def observation_rate_hz(stretch: Stretch) -> int:
    """How often what the robot sensed was recorded, in whole times a second [Hz], at least 1.

    Raises:
        ConfigError: It was not recorded.
    """
    stamps = np.unique([event.stamp_ns for event in stretch.events(OBSERVATION)])
    if len(stamps) < 2:  # noqa: PLR2004  # One has no rate.
        raise ConfigError(
            f"Run {stretch.run.id} holds {len(stamps)} observations there, too few for this "
            "export: they are recorded unless recording.observation_rate_hz is 0."
        )
    return max(1, round(_NS_PER_S / float(np.median(np.diff(stamps)))))


def action_names(stretch: Stretch, width: int) -> list[str]:
    """What the dimensions of an action are called."""
    limits = next((e for e in stretch.run.kept if e.kind == "safety.limits"), None)
    names: list[str] = limits.facts["names"] if limits else []
    return names if len(names) == width else [f"action_{number}" for number in range(width)]


def number_names(numbers: Mapping[str, AnyArray]) -> list[str]:
    """A name for each number that was measured, in the order in which `state_of` lays them out."""
    return [
        name if array.size == 1 else f"{name}_{place}"
        for name, array in numbers.items()
        for place in range(array.size)
    ]


def state_of(numbers: Mapping[str, AnyArray]) -> FloatArray:
    """All that was measured as one list [D], float32."""
    nothing = np.zeros(0, np.float32)
    parts = [np.ravel(array).astype(np.float32) for array in numbers.values()]
    return np.concatenate([nothing, *parts])


def _frames(
    stretch: Stretch, goal: GoalStretch, rate_hz: int, pictures: Pictures
) -> Iterator[Frame]:
    sensed = _sensed(stretch, goal, pictures)
    sent_ns, is_commanded, actions = _sent(stretch, goal)
    if not sensed or not len(sent_ns):
        return
    stamps = np.array([each.stamp_ns for each in sensed])
    period_ns = _NS_PER_S / rate_hz
    first_ns = max(int(stamps[0]), int(sent_ns[0]), goal.first_ns)
    count = 1 + int((min(int(stamps[-1]), goal.last_ns) - first_ns) / period_ns)
    for row in range(count):
        at_ns = first_ns + round(row * period_ns)
        sent = int(np.searchsorted(sent_ns, at_ns + period_ns)) - 1
        yield Frame(
            at_ns=at_ns,
            sensed=sensed[_nearest(stamps, at_ns)],
            action=actions[sent],
            is_commanded=bool(is_commanded[sent] and sent_ns[sent] >= at_ns),
        )


def _nearest(stamps: AnyArray, at_ns: int) -> int:
    after = int(np.searchsorted(stamps, at_ns))
    near = range(max(0, after - 1), min(len(stamps), after + 1))
    return min(near, key=lambda place: abs(int(stamps[place]) - at_ns))


def _sensed(stretch: Stretch, goal: GoalStretch, pictures: Pictures) -> list[Sensed]:
    """What was sensed in order of time; a camera without a picture shows the one before."""
    events = stretch.run.walk(OBSERVATION, first_ns=goal.first_ns, last_ns=goal.last_ns)
    seen: dict[str, str] = {}
    found = list[Sensed]()
    for event in sorted(events, key=lambda event: event.stamp_ns):
        shown = event.facts["images"].items()
        seen |= {camera: name for camera, name in shown if pictures.has(name)}
        found.append(Sensed(event.stamp_ns, _numbers(stretch.run, event), dict(seen)))
    first: dict[str, str] = {}
    for each in found:
        first = {**each.pictures, **first}
    # One that showed nothing at the beginning shows what it showed first.
    return [each._replace(pictures={**first, **each.pictures}) for each in found]


def _numbers(run: Run, event: RecordedEvent) -> Mapping[str, AnyArray]:
    """What was measured; what is redacted is left out."""
    told = event.facts["proprioception"]
    kept = {name: array for name, array in told.items() if array["dtype"] != REDACTED}
    facts = {**event.facts, "proprioception": kept, "extra": {}, "images": {}}
    read = observation_from(event.stamp_ns, facts, lambda _camera, name: picture(run, name))
    return read.proprioception


def _sent(stretch: Stretch, goal: GoalStretch) -> tuple[AnyArray, AnyArray, FloatArray]:
    """When the robot was sent something [T] in ns, whether commanded [T], and what [T, A]."""
    batches = stretch.run.walk(TICKS, first_ns=goal.first_ns - _NS_PER_S, last_ns=goal.last_ns)
    ticks = [
        tick
        for batch in batches
        for tick in ticks_of(batch)
        if tick.action is not None and goal.first_ns <= tick.stamp_ns <= goal.last_ns
    ]
    ticks.sort(key=lambda tick: tick.stamp_ns)
    width = len(ticks[0].action or ()) if ticks else 0
    return (
        np.array([tick.stamp_ns for tick in ticks], np.int64),
        np.array([tick.is_command for tick in ticks], np.bool_),
        np.array([tick.action for tick in ticks], np.float32).reshape(len(ticks), width),
    )
