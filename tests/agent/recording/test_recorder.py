import datetime as dt
import errno
import json
import os
import signal
import subprocess
import sys
from io import FileIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcap.reader import make_reader

from agent.recording.config import RecordingConfig
from agent.recording.folder import new_run_folder, prune_traces
from agent.recording.reading import RecordedEvent, Trace
from agent.recording.recorder import RecorderConfig, RecorderNode
from agent.recording.trace_file import Anchor, TraceFile
from bridge.clock import ManualClock
from bridge.errors import ConfigError
from bridge.messages import Goal, PlanningStatus
from bridge.trace import TraceEvent
from bridge.transports.in_process import InProcessLatestValue
from bridge.transports.ring import LocalRing

ROOT = Path(__file__).parents[3]
SECOND_NS = 1_000_000_000


class Rig:
    """A recorder with one ring, a goal and a planner's status, in virtual time."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.clock = ManualClock(SECOND_NS)
        self.ring: LocalRing[TraceEvent] = LocalRing(8)
        self.goal, self.planning = InProcessLatestValue[Any](), InProcessLatestValue[Any]()
        inputs: dict[str, Any] = {
            "trace.control": self.ring,
            "goal": self.goal,
            "planning": self.planning,
        }
        config = RecorderConfig(
            folder=folder, recording=RecordingConfig(**settings), settings_json='{"a": 1}'
        )
        self.node = RecorderNode(config=config, inputs=inputs, outputs={}, clock=self.clock)
        self.node.start()

    def beat(self, passed_s: float = 0.1) -> None:
        """Let time pass and the recorder look."""
        self.clock.advance_ns(round(passed_s * SECOND_NS))
        self.node.step(self.clock.now_ns())

    def say(self, number: int, **facts: Any) -> None:
        """Emit one event."""
        self.ring.publish(TraceEvent(kind="ladder.moved", stamp_ns=number, facts=facts))


def told(folder: Path) -> list[RecordedEvent]:
    """What was recorded."""
    return list(Trace(folder))


def test_what_was_emitted_is_what_is_read(tmp_path: Path) -> None:
    """Events come back in order with their facts, and the file opens by its index as well."""
    rig = Rig(tmp_path / "run")
    rig.say(1, rung="hold", ages_s=[0.5, 1.5], is_latched=True)
    rig.say(2, rung="fresh", age_s=float("inf"))
    rig.beat()
    rig.node.close()
    assert told(rig.folder) == [
        RecordedEvent(
            "control", "ladder.moved", 1, {"rung": "hold", "ages_s": [0.5, 1.5], "is_latched": True}
        ),
        RecordedEvent("control", "ladder.moved", 2, {"rung": "fresh", "age_s": None}),
    ]
    trace = Trace(rig.folder)
    assert len(list(trace)) == 2
    assert trace.is_complete
    assert json.loads(trace.about["settings"]) == {"a": 1}
    with trace.files[0].open("rb") as stream:
        summary = make_reader(stream).get_summary()
    assert summary is not None
    assert [channel.topic for channel in summary.channels.values()] == [
        "/control/ladder/moved",
        "/log",
    ]
    schema = json.loads(next(iter(summary.schemas.values())).data)
    assert schema["properties"]["rung"] == {"type": "string"}


def test_drops_are_recorded_as_what_they_are(tmp_path: Path) -> None:
    """When a ring ran over, the trace itself says how many events it lacks."""
    rig = Rig(tmp_path / "run")
    for number in range(12):
        rig.say(number)
    rig.beat()
    rig.beat()
    rig.node.close()
    lost = [event for event in told(rig.folder) if event.kind == "trace.lost"]
    assert [event.facts["dropped"] for event in lost] == [4]


def test_samples_are_taken_only_when_they_say_something_new(tmp_path: Path) -> None:
    """A status that repeats itself with a newer stamp is written once, a change at once."""
    rig = Rig(tmp_path / "run")
    rig.goal.publish(Goal(text="go", id="g", source="test", stamp_ns=1))
    for stamp_ns in range(5):
        rig.planning.publish(PlanningStatus(phase="thinking", stamp_ns=stamp_ns))
        rig.beat()
    rig.planning.publish(PlanningStatus(phase="acting", stamp_ns=9))
    rig.beat()
    rig.node.close()
    samples = [(event.node, event.kind, event.facts.get("phase")) for event in told(rig.folder)]
    assert samples == [
        ("mailbox", "goal", None),
        ("mailbox", "planning", "thinking"),
        ("mailbox", "planning", "acting"),
    ]


class SmallDisk(FileIO):
    """A file on a disk with room for 5,000 bytes; a write that reaches the end is cut."""

    def write(self, data: Any) -> int:
        """Take what there is room for."""
        room = max(0, 5000 - self.tell())
        if data and not room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(data[:room])


def test_a_full_disk_stops_the_recording_with_one_warning_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The recorder lives on and says why; what was flushed before is whole and can be read."""
    monkeypatch.setattr("agent.recording.trace_file.FileIO", SmallDisk)
    rig = Rig(tmp_path / "run")
    for number in range(1, 6):
        rig.say(number, text=os.urandom(400).hex())
        rig.beat(1.0)
    rig.node.close()
    assert rig.node.last_error.startswith("recording stopped: No space left on device")
    assert capsys.readouterr().out.count("recording_stopped") == 1
    numbers = [event.stamp_ns for event in told(rig.folder)]
    assert numbers
    assert numbers == list(range(1, len(numbers) + 1))


def test_a_folder_that_cannot_be_made_is_said_and_the_run_goes_on(tmp_path: Path) -> None:
    """No place to record is no reason not to move."""
    (tmp_path / "file").write_text("in the way")
    rig = Rig(tmp_path / "file" / "run")
    rig.beat()
    rig.node.close()
    assert "the run goes on" in rig.node.last_error


KILLED = """
import os, signal, sys
from pathlib import Path
from agent.recording.trace_file import Anchor, TraceFile
from bridge.trace import TraceEvent

file = TraceFile(Path(sys.argv[1]), Anchor.at(0), {})
for number in range(50):
    file.write("control", TraceEvent(kind="tick", stamp_ns=number, facts={"x": [1.0] * 20}))
    if number == 29:
        file.flush()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_recorder_leaves_all_that_was_flushed(tmp_path: Path) -> None:
    """After kill -9 the file opens, and lacks only what came after the last flush."""
    path = tmp_path / "trace-001.mcap"
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(path)],
        check=False,
        timeout=50,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert killed.returncode == -signal.SIGKILL
    trace = Trace(path)
    assert [event.stamp_ns for event in trace] == list(range(30))
    assert not trace.is_complete


@given(share=st.floats(0, 1))
def test_a_file_cut_anywhere_gives_a_beginning_of_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, share: float
) -> None:
    """Whatever byte a trace ends at, what is read are its first events, whole and in order."""
    path = tmp_path_factory.mktemp("cut") / "trace-001.mcap"
    file = TraceFile(path, Anchor.at(0), {})
    for number in range(6):
        event = TraceEvent(kind="tick", stamp_ns=number, facts={"text": str(number) * 50})
        file.write("control", event)
        file.flush()
    file.close()
    # Below, it is no trace at all.
    smallest = 200
    whole = path.read_bytes()
    path.write_bytes(whole[: smallest + round(share * (len(whole) - smallest))])
    numbers = [event.stamp_ns for event in Trace(path)]
    assert numbers == list(range(len(numbers)))


def test_a_restarted_recorder_goes_on_in_a_new_part(tmp_path: Path) -> None:
    """The parts of a run are read as one trace."""
    for number in (1, 2):
        rig = Rig(tmp_path / "run")
        rig.say(number)
        rig.beat()
        rig.node.close()
    assert [path.name for path in Trace(tmp_path / "run").files] == [
        "trace-001.mcap",
        "trace-002.mcap",
    ]
    assert [event.stamp_ns for event in told(tmp_path / "run")] == [1, 2]


def test_a_long_run_loses_its_beginning_not_the_disk(tmp_path: Path) -> None:
    """A run over its allowance goes on in parts, of which the oldest are removed."""
    rig = Rig(tmp_path / "run", max_megabytes=8)
    for number in range(40):
        rig.say(number, text=os.urandom(200_000).hex())
        rig.beat(1.0)
    rig.node.close()
    files = sorted(rig.folder.iterdir())
    assert len(files) > 1
    assert files[0].name != "trace-001.mcap"
    assert sum(file.stat().st_size for file in files) < 10_000_000
    numbers = [event.stamp_ns for event in told(rig.folder)]
    assert numbers == list(range(numbers[0], 40))


def test_old_runs_go_and_what_is_not_a_trace_stays(tmp_path: Path) -> None:
    """Of more runs than allowed the oldest lose their traces; a film keeps its folder."""
    folders = [new_run_folder(tmp_path) for _ in range(5)]
    for folder in folders:
        (folder / "trace-001.mcap").write_bytes(b"x")
    (folders[0] / "demo.mp4").write_bytes(b"film")
    newest = folders[-1] / "trace-001.mcap"
    gone = prune_traces(tmp_path, RecordingConfig(keep_runs=2), keep=newest)
    assert gone == [folder / "trace-001.mcap" for folder in sorted(folders[:3])]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        folder.name for folder in (folders[0], *folders[3:])
    )


def test_what_is_too_old_goes_whatever_room_there_is(tmp_path: Path) -> None:
    """A trace written before `keep_days` is removed; one of yesterday and the new one stay."""
    now = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
    files = [new_run_folder(tmp_path) / "trace-001.mcap" for _ in range(3)]
    for file, age_days in zip(files, (8, 1, 100), strict=True):
        file.write_bytes(b"x")
        written = (now - dt.timedelta(days=age_days)).timestamp()
        os.utime(file, (written, written))
    gone = prune_traces(tmp_path, RecordingConfig(keep_days=7), keep=files[-1], now=now)
    assert gone == files[:1]
    assert [file.exists() for file in files] == [False, True, True]


def test_no_trace_is_answered_with_where_traces_are(tmp_path: Path) -> None:
    """A wrong path, an empty folder and another file each say what is expected."""
    with pytest.raises(ConfigError, match=r"trace-001\.mcap"):
        Trace(tmp_path)
    other = tmp_path / "notes.txt"
    other.write_text("no trace")
    with pytest.raises(ConfigError, match="is no trace"):
        list(Trace(other))


def test_a_wall_clock_that_is_set_does_not_move_the_trace() -> None:
    """Times of day follow the monotonic clock from one anchor on."""
    anchor = Anchor(wall_ns=10**18, monotonic_ns=5)
    assert anchor.wall_of(5 + SECOND_NS) == 10**18 + SECOND_NS
    assert anchor.wall_of(-(10**19)) == 0
