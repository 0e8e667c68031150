"""What of an event a viewer of traces understands: lines for a person, and where frames lie."""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

from agent.recording.foxglove import LogLevel, SchemaName, frame_transforms, log_line
from agent.recording.observation_facts import OBSERVATION
from bridge.trace import TraceEvent

LOG_TOPIC, TRANSFORM_TOPIC = "/log", "/tf"
# A measurement so called is where something lies in a frame: position [m], its yaw [rad], and
# what else there is, such as how far a gripper has closed. Longer ones are of another layout.
_POSE = re.compile(r"(?P<child>.+)_pose_in_(?P<parent>.+)")
_POSITION, _LONGEST_POSE = 3, 5
_THOUGHTS = "thoughts"
_ERRORS = frozenset(
    {
        "node.down", "watchdog.stopped", "policy.failed", "planner.failed", "monitor.failed",
        "observation.trouble", "trace.lost", "memory.not_kept", "memory.not_restored",
    }
)  # fmt: skip
_WARNINGS = frozenset({"stop", "watchdog_stop", "robot.held", "node.notice", "ladder.moved"})
_INFORMATION = frozenset(
    {
        "goal", "remark", "goal.moved", "subtask.moved", "planner.remark", "planner.resumed",
        "robot.released", "node.restarted", "run.ending", "monitor.report", "memory.restored",
    }
)  # fmt: skip
_LEVELS: Mapping[str, LogLevel] = {
    **dict.fromkeys(_ERRORS, LogLevel.ERROR),
    **dict.fromkeys(_WARNINGS, LogLevel.WARNING),
    **dict.fromkeys(_INFORMATION, LogLevel.INFO),
}


class Shown(NamedTuple):
    """A message of a published schema, and when it is of [ns]."""

    topic: str
    schema: SchemaName
    stamp_ns: int
    data: bytes


def for_viewers(node: str, event: TraceEvent, wall_of: Callable[[int], int]) -> Iterator[Shown]:
    """What to publish beside an event, in Foxglove's schemas.

    Args:
        node: Who told it.
        event: As it is written, that is, redacted.
        wall_of: Makes a stamp a time of day [ns].
    """
    wall_ns = wall_of(event.stamp_ns)
    if event.kind == OBSERVATION:
        poses = list(_poses(event.facts["proprioception"]))
        if poses:
            data = frame_transforms(wall_ns, poses)
            yield Shown(TRANSFORM_TOPIC, "FrameTransforms", event.stamp_ns, data)
        return
    for level, words in _lines(event):
        data = log_line(wall_ns, level, node, event.kind, words)
        yield Shown(LOG_TOPIC, "Log", event.stamp_ns, data)


def _lines(event: TraceEvent) -> Iterator[tuple[LogLevel, str]]:
    if event.kind == "planner.plan":
        thoughts = cast("Sequence[str]", event.facts.get(_THOUGHTS, ()))
        yield from ((LogLevel.INFO, thought) for thought in thoughts)
    level = _LEVELS.get(event.kind)
    if level is not None:
        told = {name: value for name, value in event.facts.items() if name != _THOUGHTS}
        words = ", ".join(
            f"{name} {value}" for name, value in told.items() if value not in ("", None)
        )
        yield level, f"{event.kind}: {words}" if words else event.kind


def _poses(
    measured: Mapping[str, Any],
) -> Iterator[tuple[str, str, Sequence[float], Sequence[float]]]:
    for name, array in measured.items():
        match, pose = _POSE.fullmatch(name), _numbers(array["values"])
        if match is not None and _POSITION <= len(pose) <= _LONGEST_POSE:
            yaw = pose[_POSITION] if len(pose) > _POSITION else 0.0
            rotation = (0.0, 0.0, math.sin(yaw / 2), math.cos(yaw / 2))
            yield match["parent"], match["child"], pose[:_POSITION], rotation


def _numbers(values: Sequence[object]) -> list[float]:
    """The values, or none if one of them is no finite number; a redacted one is none."""
    numbers = [float(each) for each in values if isinstance(each, int | float)]
    is_whole = len(numbers) == len(values) and all(map(math.isfinite, numbers))
    return numbers if is_whole else []
