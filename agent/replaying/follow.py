"""What happens in a run, line by line, while its trace is being written."""

import enum
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec
from mcap.records import Message, Metadata
from rich.text import Text

from agent.recording.reading import TRACE_FILES, RecordedEvent
from agent.recording.trace_file import RUN_RECORD
from agent.tracing.index import BULK
from agent.tracing.milestones import step_words
from agent.tracing.scanning import Found, scan

POLL_S = 0.25
_NS_PER_S = 1_000_000_000
# What is said of each of these stands in the trace in pieces, or over and over again.
_UNSAID = BULK - {"planner.plan"}
_BESIDE_GOALS, _UNDER_A_GOAL, _UNDER_A_SUBTASK = range(3)
_STYLES = {"goal": "bold", "outcome": "bold", "event": "dim", "thought": "italic"}


class Ending(enum.StrEnum):
    """Whether a run that is followed goes on."""

    NONE = "none"
    ENDED = "ended"
    SILENT = "silent"


@dataclass(frozen=True, kw_only=True)
class Line:
    """One thing that happened, at `at_s` since the recording began [s], so deep in the tree."""

    at_s: float
    depth: int
    lane: str
    words: str

    def as_json(self) -> dict[str, Any]:
        """The same for a program."""
        return asdict(self)


class Follower:
    """Reads a run's files from where it stopped, one part after the other.

    Args:
        path: The run's folder, or one file of it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ends: dict[Path, int] = {}
        self._complete: set[Path] = set()
        self._channels: dict[tuple[Path, int], tuple[str, str]] = {}
        self._start_ns: int | None = None
        self._plan = ""
        self._has_goal = False
        self.ending = Ending.NONE

    def read_new(self) -> list[Line] | None:
        """What has happened since the last time; None if nothing was written meanwhile.

        Raises:
            ConfigError: A file of the run is no trace.
        """
        before = dict(self._ends)
        lines = [line for file in self._files() for line in self._read(file)]
        if self._ends != before:
            return lines
        newest = self._files()[-1]
        # A part that is full is closed in the instant in which the next one is begun.
        if newest in self._complete:
            self.ending = Ending.ENDED
        return None

    def _files(self) -> list[Path]:
        return [self._path] if self._path.is_file() else sorted(self._path.glob(TRACE_FILES))

    def _read(self, file: Path) -> Iterator[Line]:
        if file in self._complete:
            return
        begin = self._ends.get(file)
        for found in scan(file) if begin is None else scan(file, begin):
            self._ends[file] = found.end
            if found.is_last:
                self._complete.add(file)
            yield from self._lines(file, found)

    def _lines(self, file: Path, found: Found) -> Iterator[Line]:
        match found.record:
            case Metadata() if found.record.name == RUN_RECORD and self._start_ns is None:
                about: dict[str, str] = dict(found.record.metadata)
                self._start_ns = int(about["monotonic_ns"])
            case _:
                pass
        for channel in found.channels:
            told = channel.metadata
            self._channels[file, channel.id] = told.get("node", ""), told.get("kind", "")
        for message in found.messages:
            event = self._event(file, message)
            if event is not None:
                yield from self._tell(event)

    def _event(self, file: Path, message: Message) -> RecordedEvent | None:
        node, kind = self._channels.get((file, message.channel_id), ("", ""))
        if not kind or kind in _UNSAID:
            return None
        facts = msgspec.json.decode(message.data)
        stamp_ns = int(facts.pop("stamp_ns"))
        return RecordedEvent(node=node, kind=kind, stamp_ns=stamp_ns, facts=facts)

    def _tell(self, event: RecordedEvent) -> Iterator[Line]:
        found = step_words(event)
        if found is None:
            return
        lane, words = found
        if lane == "plan":
            if words == self._plan:
                return
            self._plan = words
        is_new_goal = lane == "goal"
        self._has_goal |= is_new_goal
        depth = _UNDER_A_GOAL if self._has_goal and not is_new_goal else _BESIDE_GOALS
        at_s = (event.stamp_ns - (self._start_ns or 0)) / _NS_PER_S
        yield Line(at_s=at_s, depth=depth, lane=lane, words=words)
        if lane == "subtask" and event.facts["state"] == "active":
            for thought in event.facts["thoughts"]:
                yield Line(at_s=at_s, depth=_UNDER_A_SUBTASK, lane="thought", words=thought)


def lines_of(
    follower: Follower, wait: Callable[[float], object], *, patience_s: float
) -> Iterator[Line]:
    """Everything that happens, until the run has ended or its trace has long stopped growing.

    Args:
        follower: Of the run.
        wait: Called with how long to wait before looking again [s].
        patience_s: How long nothing may be written [s]; a run that goes on writes twice a second.
    """
    silent_s = 0.0
    while follower.ending is Ending.NONE:
        lines = follower.read_new()
        yield from lines or ()
        silent_s = silent_s + POLL_S if lines is None else 0.0
        if silent_s >= patience_s:
            follower.ending = Ending.SILENT
        elif follower.ending is Ending.NONE:
            wait(POLL_S)


def render_line(line: Line) -> Text:
    """A line of the tree on a terminal."""
    mark = "" if line.lane in ("event", "thought") else f"{line.lane} "
    text = f"{line.at_s:9.2f} s  {'  ' * line.depth}{mark}{line.words}"
    return Text(text, style=_STYLES.get(line.lane, ""))
