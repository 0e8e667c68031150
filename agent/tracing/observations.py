"""What the robot sensed in a recorded run, as it was: to be shown, exported or lived through again.

As often as it was recorded; what happened in between is not known.
"""

import heapq
from collections.abc import Iterator

from agent.recording.observation_facts import OBSERVATION, observation_from
from agent.recording.reading import RecordedEvent
from agent.recording.redaction import REDACTED
from agent.tracing.pictures import picture
from agent.tracing.runs import Run
from bridge.arrays import ImageArray
from bridge.errors import ConfigError
from bridge.messages import Observation

# What the planner was shown is written a little later than what was sensed meanwhile.
_OUT_OF_ORDER = 64


def recorded_observations(run: Run) -> Iterator[Observation]:
    """Every recorded observation in order of time.

    Raises:
        ConfigError: A picture of it was redacted, or is not there.
    """
    for event in _in_order(run.walk(OBSERVATION)):
        yield observation_of(run, event)


def observation_of(run: Run, event: RecordedEvent) -> Observation:
    """The observation that an event of that kind tells of, with its pictures.

    Raises:
        ConfigError: A picture or a number of it was redacted, or a picture is not there.
    """
    _check_numbers(run, event)

    def read_picture(camera: str, name: str) -> ImageArray:
        if name == REDACTED:
            raise ConfigError(
                f"The pictures of camera {camera!r} were redacted in run {run.id}: what it saw "
                "cannot be shown to a brain again."
            )
        return picture(run, name)

    return observation_from(event.stamp_ns, event.facts, read_picture)


def _check_numbers(run: Run, event: RecordedEvent) -> None:
    for group in ("proprioception", "extra"):
        for name, array in event.facts[group].items():
            if array["dtype"] == REDACTED:
                raise ConfigError(
                    f"The measurement {name!r} was redacted in run {run.id}: what the robot sensed "
                    "cannot be shown to a brain again."
                )


def _in_order(events: Iterator[RecordedEvent]) -> Iterator[RecordedEvent]:
    waiting: list[tuple[int, int, RecordedEvent]] = []
    for number, event in enumerate(events):
        heapq.heappush(waiting, (event.stamp_ns, number, event))
        if len(waiting) > _OUT_OF_ORDER:
            yield heapq.heappop(waiting)[2]
    while waiting:
        yield heapq.heappop(waiting)[2]
