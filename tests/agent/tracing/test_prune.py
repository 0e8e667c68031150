import datetime as dt
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from written_traces import story, write_run

from agent.recording.config import RecordingConfig
from agent.recording.folder import prune_traces
from agent.tracing.index import index_path, load_index
from agent.tracing.prune import remove, unwanted_runs

NOW = dt.datetime(2026, 1, 31, tzinfo=dt.UTC)


def recorded(root: Path, name: str, days_ago: float, size_bytes: int = 1_000_000) -> Path:
    """A run whose trace was last written to so long ago."""
    file = root / name / "trace-001.mcap"
    file.parent.mkdir(parents=True)
    file.write_bytes(bytes(size_bytes))
    written = (NOW - dt.timedelta(days=days_ago)).timestamp()
    os.utime(file, (written, written))
    return file


@pytest.mark.parametrize(
    ("limits", "gone"),
    [
        ({"keep_runs": 3}, ["a"]),
        ({"keep_runs": 0}, ["a", "b", "c"]),
        ({"max_megabytes": 2.5}, ["a", "b"]),
        ({"older_than_days": 15}, ["a", "b"]),
        ({"older_than_days": 25, "keep_runs": 2}, ["a", "b"]),
        ({}, []),
    ],
)
def test_runs_beyond_any_limit_go_the_oldest_first(
    tmp_path: Path, limits: dict[str, float], gone: list[str]
) -> None:
    """Each limit is kept, and a run that was written to just now stays in any case."""
    for name, days_ago in (("a", 30), ("b", 20), ("c", 10), ("d", 0)):
        recorded(tmp_path, name, days_ago)
    found = unwanted_runs(tmp_path, **limits, now=NOW)  # pyright: ignore[reportArgumentType]  # Parameters.
    assert [run.folder.name for run in found] == gone


@given(
    sizes=st.lists(st.integers(0, 3000), min_size=1, max_size=5),
    keep_runs=st.integers(0, 5),
    limit_bytes=st.integers(0, 9000),
)
def test_what_stays_is_within_the_limits_and_no_more_goes_than_needed(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], keep_runs: int, limit_bytes: int
) -> None:
    """The newest that fit stay; one more would be too many or too large."""
    root = tmp_path_factory.mktemp("runs")
    for number, size_bytes in enumerate(sizes):
        recorded(root, f"run{number}", 1, size_bytes)
    gone = len(unwanted_runs(root, keep_runs=keep_runs, max_megabytes=limit_bytes / 1e6, now=NOW))
    fits = [
        len(sizes[begin:]) <= keep_runs and sum(sizes[begin:]) <= limit_bytes
        for begin in range(len(sizes))
    ]
    assert gone == (fits.index(True) if True in fits else len(sizes))


def test_only_the_trace_and_its_index_go(tmp_path: Path) -> None:
    """A film keeps its folder; a folder that is left empty goes."""
    for name in ("a", "b"):
        load_index(write_run(tmp_path / name, story()))
    (tmp_path / "a" / "demo.mp4").write_bytes(b"film")
    later = dt.datetime.now(tz=dt.UTC) + dt.timedelta(days=1)
    unwanted = unwanted_runs(tmp_path, keep_runs=0, now=later)
    assert index_path(tmp_path / "a" / "trace-001.mcap") in unwanted[0].files
    for run in unwanted:
        remove(run)
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "a", tmp_path / "a" / "demo.mp4"]


def test_a_recorder_that_makes_room_removes_the_index_too(tmp_path: Path) -> None:
    """Nothing is left of a run that has gone by itself."""
    for name in ("a", "b"):
        load_index(write_run(tmp_path / name, story()))
    newest = tmp_path / "b" / "trace-001.mcap"
    prune_traces(tmp_path, RecordingConfig(keep_runs=1), keep=newest)
    assert list(tmp_path.iterdir()) == [tmp_path / "b"]
