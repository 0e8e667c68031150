import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner
from written_traces import SECOND_NS, START_NS, story, told, write_run

from agent.cli import app
from agent.recording.trace_file import Anchor, TraceFile
from agent.replaying.follow import POLL_S, Ending, Follower, Line, lines_of, render_line
from bridge.trace import TraceEvent

PATIENCE_S = 3.0


class GrowingRun:
    """Writes some more of a run whenever the follower waits; then ends, or says no more."""

    def __init__(self, folder: Path, events: list[dict[str, Any]], at_once: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self._events, self._at_once = folder, list(events), at_once
        self._file = self._open(1)
        self.waits = 0
        # One that is killed is over without its file being closed.
        self.is_over = False

    def _open(self, part: int) -> TraceFile:
        about = {"run": self.folder.name, "part": str(part), "settings": "{}"}
        anchor = Anchor(wall_ns=10**18, monotonic_ns=START_NS)
        return TraceFile(self.folder / f"trace-{part:03d}.mcap", anchor, about)

    def begin_part(self, part: int) -> None:
        """What follows is in another file."""
        self._file.close()
        self._file = self._open(part)

    def let_go(self) -> None:
        """Leave the file as a killed writer would."""
        self._file.abandon()

    def wait(self, time_s: float) -> None:
        """Let the run go on while somebody waits."""
        assert time_s == POLL_S
        self.waits += 1
        now, self._events = self._events[: self._at_once], self._events[self._at_once :]
        for event in now:
            rest = dict(event)
            at_s, node, kind = rest.pop("at_s"), rest.pop("told_by"), rest.pop("kind")
            stamp_ns = START_NS + round(at_s * SECOND_NS)
            self._file.write(node, TraceEvent(kind=kind, stamp_ns=stamp_ns, facts=rest))
        if now:
            self._file.flush()
        elif not self.is_over:
            self.is_over = True
            self._file.close()


def all_lines(folder: Path) -> list[Line]:
    """What is said of a run that is over."""
    return list(lines_of(Follower(folder), lambda _: None, patience_s=PATIENCE_S))


@settings(max_examples=25)
@given(at_once=st.integers(1, 40), parts_at=st.sets(st.integers(1, 20), max_size=3))
def test_however_a_run_grows_the_same_is_told_once(
    tmp_path_factory: pytest.TempPathFactory, at_once: int, parts_at: set[int]
) -> None:
    """In whatever pieces and parts it is written, each thing is told once, in order."""
    folder = tmp_path_factory.mktemp("runs")
    write_run(folder / "whole", story())
    run = GrowingRun(folder / "growing", story(), at_once)

    def wait(time_s: float) -> None:
        if run.waits in parts_at and not run.is_over:
            run.begin_part(2 + sorted(parts_at).index(run.waits))
        run.wait(time_s)

    follower = Follower(run.folder)
    lines = list(lines_of(follower, wait, patience_s=PATIENCE_S))
    assert lines == all_lines(folder / "whole")
    assert follower.ending is Ending.ENDED


def test_the_tree_comes_line_by_line(tmp_path: Path) -> None:
    """Goals stand at the edge, what belongs to them below, thoughts below their subtask."""
    write_run(tmp_path / "run", story())
    lines = all_lines(tmp_path / "run")
    assert [(line.at_s, line.depth, line.lane, line.words) for line in lines] == [
        (0.1, 0, "goal", "tidy up"),
        (0.4, 1, "plan", "reach left"),
        (0.4, 1, "subtask", "reach left: active"),
        (0.4, 2, "thought", "PLAN: left first"),
        (1.6, 1, "subtask", "reach left: done"),
        (1.6, 1, "outcome", "done: all is as wanted"),
        (1.6, 1, "event", "held: chunk_expired"),
    ]
    assert render_line(lines[0]).plain == "     0.10 s  goal tidy up"


def test_a_run_that_was_killed_is_not_waited_for_forever(tmp_path: Path) -> None:
    """When nothing is written for long, what there is has been told, and that is said."""
    run = GrowingRun(tmp_path / "killed", story(), 50)
    run.is_over = True
    follower = Follower(run.folder)
    lines = list(lines_of(follower, run.wait, patience_s=PATIENCE_S))
    assert lines[-1].words == "held: chunk_expired"
    assert follower.ending is Ending.SILENT
    assert run.waits <= PATIENCE_S / POLL_S + 5
    run.let_go()


def test_what_falls_before_any_goal_stands_at_the_edge(tmp_path: Path) -> None:
    """An event that belongs to no goal is told without one."""
    fell = told(0.05, "supervisor", "node.down", node="planner", how="died", reason="killed")
    write_run(tmp_path / "run", [fell, *story()])
    assert all_lines(tmp_path / "run")[0] == Line(
        at_s=0.05, depth=0, lane="event", words="planner fell: died, killed"
    )


def test_the_command_prints_lines_for_people_or_programs(tmp_path: Path) -> None:
    """Each line is one, also as JSON; it ends with the run."""
    write_run(tmp_path / "run", story())
    arguments = ["trace", "follow", "--runs", str(tmp_path)]
    shown = CliRunner().invoke(app, arguments)
    assert shown.exit_code == 0, shown.output
    assert "goal tidy up" in shown.output.splitlines()[0]
    printed = CliRunner().invoke(app, [*arguments, "--json"])
    found = [json.loads(line) for line in printed.output.splitlines()]
    assert [each["lane"] for each in found][:2] == ["goal", "plan"]


def test_what_is_no_trace_is_refused(tmp_path: Path) -> None:
    """A file of something else is said to be that, and is not waited for."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "trace-001.mcap").write_bytes(b"not a trace")
    shown = CliRunner().invoke(app, ["trace", "follow", "--runs", str(tmp_path)])
    assert shown.exit_code == 2
    assert "is no trace" in shown.output
