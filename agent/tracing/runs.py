"""Finds recorded runs, and reads of one what was asked for, at the moment that was asked about."""

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from agent.recording.reading import TRACE_FILES, RecordedEvent
from agent.tracing.index import Span, TraceIndex, event_of, load_index
from agent.tracing.scanning import opened, read_chunk
from bridge.errors import ConfigError, UnknownNameError

_NS_PER_S = 1_000_000_000
_FOREVER_NS = 2**63 - 1
# What caused something lies before it, and hardly ever further back than this.
_SEARCH_BACK_NS = 120 * _NS_PER_S
LAST = "last"
# More than what is looked through for one moment; a span is half a second or more.
_MOST_SPANS_READ = 500


@dataclass(frozen=True)
class Part:
    """One file of a run, and its index."""

    file: Path
    index: TraceIndex


class Run:
    """A recorded run: its rare events at hand, all others read when asked for.

    Args:
        path: The run's folder, or one file of it.

    Raises:
        ConfigError: There is no trace there, or it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        files = [path] if path.is_file() else sorted(path.glob(TRACE_FILES))
        if not files:
            raise ConfigError(f"There is no trace in {path}: it holds no {TRACE_FILES}.")
        self.path = path
        self.id = path.parent.name if path.is_file() else path.name
        self.parts = [Part(file, load_index(file)) for file in files]
        self._read: dict[tuple[Path, int], list[RecordedEvent]] = {}

    @property
    def start_ns(self) -> int:
        """When the recording that is left begins [ns], on the run's clock."""
        return int(self.parts[0].index.about["monotonic_ns"])

    @property
    def end_ns(self) -> int:
        """When the last of it was told [ns]."""
        spans = [span.last_ns for part in self.parts for span in part.index.spans]
        return max([self.start_ns, *spans])

    @property
    def length_s(self) -> float:
        """How long it lasted [s]."""
        return self.seconds(self.end_ns)

    @property
    def began(self) -> dt.datetime:
        """The time of day at which it began."""
        wall_ns = int(self.parts[0].index.about["wall_ns"])
        return dt.datetime.fromtimestamp(wall_ns / _NS_PER_S, tz=dt.UTC)

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The configuration that it was made from."""
        try:
            return msgspec.json.decode(self.parts[0].index.about.get("settings", "{}"))
        except msgspec.DecodeError:
            # Damaged: then none of it is known.
            return {}

    @cached_property
    def kept(self) -> list[RecordedEvent]:
        """All its rare events, in order of time."""
        events = [event for part in self.parts for event in part.index.kept]
        # A goal comes before what follows from it in the same instant.
        return sorted(events, key=lambda event: (event.stamp_ns, event.kind != "goal"))

    @property
    def is_whole(self) -> bool:
        """Whether the recording goes back to the beginning of the run, and lacks nothing."""
        first = self.parts[0].index.about.get("part", "1") == "1"
        return first and not any(p.index.damaged or p.index.missing for p in self.parts)

    @property
    def notes(self) -> list[str]:
        """What is not as it should be about the recording, for a person."""
        last, first = self.parts[-1].index, self.parts[0].index
        damaged = sum(part.index.damaged for part in self.parts)
        missing = sum(part.index.missing for part in self.parts)
        lost = sum(_lost(events) for events in _by_node(self.kept).values())
        said = {
            "It ends in the middle: the run goes on, or it was killed.": not last.is_complete,
            f"{damaged} of its chunks are damaged and left out.": damaged,
            f"{missing} of its events were damaged.": missing,
            f"{lost} events did not fit and were not recorded.": lost,
            "Its beginning is not kept any more.": int(first.about.get("part", "1")) > 1,
        }
        return [words for words, is_so in said.items() if is_so]

    def seconds(self, stamp_ns: int) -> float:
        """A stamp as time since the recording began [s]."""
        return (stamp_ns - self.start_ns) / _NS_PER_S

    def stamp(self, time_s: float) -> int:
        """The stamp [ns] of a time since the recording began [s].

        Raises:
            ConfigError: It was not recorded at that time.
        """
        if not 0 <= time_s <= self.length_s:
            raise ConfigError(
                f"{time_s:g} s is outside run {self.id}: it was recorded from 0 s to "
                f"{self.length_s:.3f} s."
            )
        return self.start_ns + round(time_s * _NS_PER_S)

    def events(self, first_ns: int, last_ns: int) -> list[RecordedEvent]:
        """Everything that was told of these times [ns], in order of time."""
        found = [
            event
            for part, span in self._spans()
            if span.first_ns <= last_ns and span.last_ns >= first_ns
            for event in self._events_in(part, span)
            if first_ns <= event.stamp_ns <= last_ns
        ]
        return sorted(found, key=lambda event: event.stamp_ns)

    def walk(
        self, *kinds: str, first_ns: int = 0, last_ns: int = _FOREVER_NS
    ) -> Iterator[RecordedEvent]:
        """All events of some kinds and times [ns] as they were written.

        Nothing of a long run is kept in memory.
        """
        for part in self.parts:
            wanted = {number for number, (_, kind) in part.index.channels.items() if kind in kinds}
            with opened(part.file) as stream:
                for span in part.index.spans:
                    if span.first_ns > last_ns or span.last_ns < first_ns:
                        continue
                    for message in read_chunk(stream, span.offset, span.end).messages:
                        if message.channel_id in wanted:
                            event = event_of(part.index, message)
                            if first_ns <= event.stamp_ns <= last_ns:
                                yield event

    def newest(
        self,
        kind: str,
        before_ns: int,
        fits: Callable[[dict[str, Any]], bool] = lambda _: True,
        *,
        node: str = "",
    ) -> RecordedEvent | None:
        """The last event of a kind at or before a moment [ns] of which `fits(facts)` holds."""
        best: RecordedEvent | None = None
        for part, span in self._backwards(before_ns):
            if best is not None and span.last_ns < best.stamp_ns:
                break
            for event in self._events_in(part, span):
                is_it = event.kind == kind and event.stamp_ns <= before_ns
                if is_it and (not node or event.node == node) and fits(event.facts):
                    best = event if best is None or event.stamp_ns >= best.stamp_ns else best
        return best

    def _backwards(self, before_ns: int) -> Iterator[tuple[Part, Span]]:
        """What may hold events before a moment, the latest first."""
        near = [
            (part, span)
            for part, span in self._spans()
            if span.first_ns <= before_ns and span.last_ns >= before_ns - _SEARCH_BACK_NS
        ]
        return iter(sorted(near, key=lambda each: each[1].last_ns, reverse=True))

    def _spans(self) -> Iterator[tuple[Part, Span]]:
        return ((part, span) for part in self.parts for span in part.index.spans)

    def _events_in(self, part: Part, span: Span) -> list[RecordedEvent]:
        key = (part.file, span.offset)
        if key not in self._read:
            with opened(part.file) as stream:
                found = read_chunk(stream, span.offset, span.end)
            events = [
                event_of(part.index, message)
                for message in found.messages
                if message.channel_id in part.index.channels
            ]
            if len(self._read) >= _MOST_SPANS_READ:
                # Whoever walks through an hour must not have all of it in memory.
                self._read.pop(next(iter(self._read)), None)
            self._read[key] = events
            return events
        return self._read[key]


def _by_node(events: list[RecordedEvent]) -> dict[str, list[RecordedEvent]]:
    nodes: dict[str, list[RecordedEvent]] = {}
    for event in events:
        nodes.setdefault(event.node, []).append(event)
    return nodes


def _lost(events: list[RecordedEvent]) -> int:
    """What one ring lost; its own count only grows."""
    counts = [sum(event.facts.values()) for event in events if event.kind == "trace.lost"]
    return max(counts, default=0)


def run_folders(root: Path) -> list[Path]:
    """The folders of all recorded runs, the oldest first: they are named after their moment."""
    return sorted({file.parent for file in root.glob(f"*/{TRACE_FILES}")})


def find_run(name: str, root: Path) -> Run:
    """The run of that name, or path; "last" is the newest.

    Raises:
        ConfigError: There is none.
    """
    path = Path(name)
    if path.is_file() or (path.is_dir() and any(path.glob(TRACE_FILES))):
        return Run(path)
    folders = run_folders(root)
    if not folders:
        raise ConfigError(
            f"No run is recorded in {root}. `agent serve` and `agent demo` record theirs in runs; "
            "name another folder with --runs."
        )
    named = {folder.name: folder for folder in folders} | {LAST: folders[-1]}
    if name not in named:
        raise UnknownNameError(kind="recorded run", name=name, known=named)
    return Run(named[name])
