"""A run as a recording of Rerun: pictures, words, and curves on two timelines.

`time` counts from the beginning of what is exported, `clock` is the time of day. Rerun opens the
trace itself as well; this file shows it without being told how. It is made in memory.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rerun as rr
import rerun.blueprint as rrb

from agent.exporting.frames import Pictures, action_names
from agent.exporting.language import plan_in_words
from agent.exporting.stretch import OnProgress, Stretch
from agent.recording.observation_facts import OBSERVATION
from agent.recording.reading import RecordedEvent
from agent.recording.redaction import REDACTED
from agent.tracing.ticks import TICKS, ticks_of
from agent.tracing.words import FAULTS, STOPS, describe, is_telling
from fast_brain.ladder import Rung

_APPLICATION = "tandem"
_NS_PER_S = 1_000_000_000
_US_PER_MS = 1000.0
# Kept in memory before they are written.
_MOST_PICTURES = 100
_LONGEST_FLUSH_S = 60.0


def write_rrd(stretch: Stretch, path: Path, on_progress: OnProgress) -> dict[str, Any]:
    """Write the file.

    Raises:
        OSError: It cannot be written.
    """
    pictures = Pictures(stretch)
    stream = rr.RecordingStream(_APPLICATION, recording_id=stretch.run.id, send_properties=False)
    # Not into a file: what its own writer cannot write the library only logs, or waits for without
    # an end. Read once, as what is read in pieces has no index that fits.
    written = stream.binary_stream()
    stream.send_blueprint(_blueprint(pictures.cameras))
    writer = _Writer(stretch, pictures, stream)
    parts = (writer.words, writer.pictures, writer.ticks, writer.chunks, writer.ladder)
    for number, write in enumerate(parts, 1):
        write()
        on_progress(number, len(parts))
    data = written.read(flush_timeout_sec=_LONGEST_FLUSH_S)
    stream.disconnect()
    path.write_bytes(data or b"")
    return {"entities": writer.counts}


def _blueprint(cameras: Sequence[str]) -> rrb.Blueprint:
    """What is shown first: cameras and words on top, curves below."""
    words = [
        rrb.TextDocumentView(origin=f"words/{name}", name=name)
        for name in ("goal", "subtask", "plan")
    ]
    views = [rrb.Spatial2DView(origin=f"camera/{camera}", name=camera) for camera in cameras]
    curves = [
        rrb.TimeSeriesView(origin=origin, name=origin)
        for origin in ("action", "state", "loop", "latent")
    ]
    top = rrb.Horizontal(*views, rrb.Vertical(*words))
    bottom = rrb.Horizontal(rrb.Tabs(*curves), rrb.TextLogView(origin="events", name="events"))
    return rrb.Blueprint(rrb.Vertical(top, bottom))


class _Writer:
    """Writes one part of a run, and counts the rows of each entity."""

    def __init__(self, stretch: Stretch, pictures: Pictures, stream: rr.RecordingStream) -> None:
        self.counts: dict[str, int] = {}
        self._stretch, self._pictures, self._stream = stretch, pictures, stream
        run = stretch.run
        about = run.parts[0].index.about
        self._wall_offset_ns = int(about["wall_ns"]) - int(about["monotonic_ns"])

    def words(self) -> None:
        """What was wanted, planned and thought, and what else happened."""
        told: dict[str, list[tuple[int, str]]] = {"goal": [], "subtask": [], "plan": []}
        for event in self._kept("goal"):
            told["goal"].append((event.stamp_ns, event.facts["text"]))
        for event in self._kept("subtask.moved"):
            words = f"{event.facts['text']}: {event.facts['state']}"
            told["subtask"].append((event.stamp_ns, words))
        for event in self._stretch.events("planner.plan"):
            told["plan"].append((event.stamp_ns, plan_in_words(event.facts)))
        for name, lines in told.items():
            texts = [words for _, words in lines]
            columns = rr.TextDocument.columns(text=texts)
            self._send(f"words/{name}", [stamp_ns for stamp_ns, _ in lines], columns)
        events = [event for event in self._stretch.kept() if is_telling(event)]
        columns = rr.TextLog.columns(
            text=[describe(event) for event in events], level=[_level(event) for event in events]
        )
        self._send("events", [event.stamp_ns for event in events], columns)

    def pictures(self) -> None:
        """What each camera saw, each time that it changed; and what the robot measured."""
        seen = dict.fromkeys(self._pictures.cameras, "")
        waiting: dict[str, list[tuple[int, str]]] = {camera: [] for camera in seen}
        measured: dict[str, list[tuple[int, float]]] = {}
        for event in self._stretch.events(OBSERVATION):
            for camera, name in event.facts["images"].items():
                if self._pictures.has(name) and name != seen.get(camera):
                    seen[camera] = name
                    waiting[camera].append((event.stamp_ns, name))
                    if len(waiting[camera]) >= _MOST_PICTURES:
                        self._send_pictures(camera, waiting[camera])
                        waiting[camera] = []
            for name, value in _measured(event):
                measured.setdefault(name, []).append((event.stamp_ns, value))
        for camera, names in waiting.items():
            self._send_pictures(camera, names)
        for name, points in measured.items():
            self._send_curve(f"state/{name}", points)

    def ticks(self) -> None:
        """What the robot was sent, and how late the control loop woke."""
        late_ms, actions = list[tuple[int, float]](), list[list[tuple[int, float]]]()
        for batch in self._stretch.events(TICKS):
            for tick in ticks_of(batch):
                late_ms.append((tick.stamp_ns, tick.late_us / _US_PER_MS))
                for number, value in enumerate(tick.action or ()):
                    if number == len(actions):
                        actions.append([])
                    actions[number].append((tick.stamp_ns, value))
        self._send_curve("loop/late_ms", late_ms)
        names = action_names(self._stretch, len(actions))
        for name, points in zip(names, actions, strict=True):
            self._send_curve(f"action/{name}", points)

    def chunks(self) -> None:
        """How old the latent was that each chunk was made with, and how much of it was let in."""
        curves: dict[str, list[tuple[int, float]]] = {}
        names = {"gate_mean": "latent/gate", "latent_age_s": "latent/age_s", "took_s": "loop/act_s"}
        for event in self._stretch.events("policy.chunk"):
            for fact, entity in names.items():
                # No latent: its age is not finite, which JSON writes as null.
                if event.facts.get(fact) is not None:
                    curves.setdefault(entity, []).append((event.stamp_ns, event.facts[fact]))
        for entity, points in curves.items():
            self._send_curve(entity, points)

    def ladder(self) -> None:
        """On which rung the control loop was: 0 is fresh, 4 stopped."""
        moves = [e for e in self._kept("ladder.moved") if e.node == "control"]
        first = [(self._stretch.first_ns, float(Rung.FRESH))]
        points = [(e.stamp_ns, float(Rung[e.facts["rung"].upper()])) for e in moves]
        self._send_curve("loop/ladder", first + points)

    def _kept(self, kind: str) -> Iterator[RecordedEvent]:
        return (event for event in self._stretch.kept() if event.kind == kind)

    def _send_pictures(self, camera: str, names: list[tuple[int, str]]) -> None:
        files = [self._pictures.file(name) for _, name in names]
        columns = rr.EncodedImage.columns(
            blob=[data for data, _ in files], media_type=[f"image/{kind}" for _, kind in files]
        )
        self._send(f"camera/{camera}", [stamp_ns for stamp_ns, _ in names], columns)

    def _send_curve(self, entity: str, points: list[tuple[int, float]]) -> None:
        columns = rr.Scalars.columns(scalars=[value for _, value in points])
        self._send(entity, [stamp_ns for stamp_ns, _ in points], columns)

    def _send(
        self, entity: str, stamps_ns: list[int], columns: Iterable[rr.ComponentColumn]
    ) -> None:
        if not stamps_ns:
            return
        self.counts[entity] = self.counts.get(entity, 0) + len(stamps_ns)
        stamps = np.array(stamps_ns, np.int64)
        since_s = (stamps - self._stretch.first_ns) / _NS_PER_S
        clock = (stamps + self._wall_offset_ns).astype("datetime64[ns]")
        times = [rr.TimeColumn("time", duration=since_s), rr.TimeColumn("clock", timestamp=clock)]
        self._stream.send_columns(entity, indexes=times, columns=columns)


def _measured(event: RecordedEvent) -> Iterator[tuple[str, float]]:
    """Each number that was measured and is one; what is redacted is none."""
    for name, array in event.facts["proprioception"].items():
        if array["dtype"] == REDACTED:
            continue
        values: list[float | None] = array["values"]
        for place, value in enumerate(values):
            if value is not None:
                yield (name if len(values) == 1 else f"{name}/{place}"), float(value)


def _level(event: RecordedEvent) -> str:
    return "WARN" if event.kind in (*FAULTS, *STOPS) else "INFO"
