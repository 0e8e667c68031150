import json
import sys
from pathlib import Path

import pytest
from pictured_traces import pictured_run
from typer.testing import CliRunner, Result

from agent.cli import app


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A folder with one recorded run."""
    pictured_run(tmp_path / "runs" / "20260101-120000")
    return tmp_path / "runs"


def export(runs: Path, *words: str) -> Result:
    """What the command does and says."""
    return CliRunner().invoke(app, ["trace", "export", "last", "--runs", str(runs), *words])


def test_an_export_lies_beside_the_trace_unless_told_otherwise(runs: Path) -> None:
    """The summary says where it is and what it holds, for a person and for a program."""
    shown = export(runs, "--to", "thoughts")
    path = runs / "20260101-120000" / "20260101-120000.thoughts.jsonl"
    assert shown.exit_code == 0
    assert f"Written: {path} (0.0 MB)" in shown.output
    again = export(runs, "--to", "thoughts", "--overwrite", "--json")
    assert json.loads(again.output) == {
        "run": "20260101-120000",
        "to": "thoughts",
        "path": str(path),
        "bytes": path.stat().st_size,
        "seconds": 1.99,
        "goals": 1,
        "plans": 1,
    }


def test_a_part_of_a_run_is_exported_by_goal_and_time(runs: Path, tmp_path: Path) -> None:
    """Only what was asked for is in it."""
    part = ("--goal", "g", "--from", "0:00.5", "--until", "1.5", "--json")
    shown = export(runs, "--out", str(tmp_path / "run.html"), *part)
    assert json.loads(shown.output)["seconds"] == 1.0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--out", "{there}"), "exists. Choose another --out, or replace it with --overwrite."),
        (("--to", "lerobot", "--out", "{there}", "--overwrite"), "it is not overwritten"),
        (("--from", "99"), "99 s is outside run 20260101-120000: it was recorded from 0 s to"),
        (("--until", "noon"), "'noon' is no time: give seconds, as 12.5, or minutes, as 1:02.5."),
        (("--goal", "nobody"), "has no goal 'nobody'. It has: g (tidy up)."),
    ],
)
def test_a_wrong_wish_is_one_sentence_and_changes_nothing(
    runs: Path, tmp_path: Path, words: tuple[str, ...], says: str
) -> None:
    """What is there stays, and the answer says what to do."""
    there = tmp_path / "there"
    there.write_text("mine")
    before = sorted(tmp_path.rglob("*.mcap"))
    shown = export(runs, *(word.format(there=there) for word in words))
    assert shown.exit_code == 2
    assert says in shown.output
    assert there.read_text() == "mine"
    assert sorted(tmp_path.rglob("*.mcap")) == before


@pytest.mark.parametrize(
    ("to", "library", "extra"),
    [
        ("rrd", "rerun", "rerun"),
        ("hdf5", "h5py", "hdf5"),
        ("video", "imageio_ffmpeg", "sim"),
        ("lerobot", "pyarrow", "train"),
    ],
)
def test_a_library_that_is_missing_is_named_with_its_extra(
    runs: Path, monkeypatch: pytest.MonkeyPatch, to: str, library: str, extra: str
) -> None:
    """Who lacks a library is told how to install it, before anything is written."""
    monkeypatch.setitem(sys.modules, library, None)
    shown = export(runs, "--to", to)
    assert shown.exit_code == 2
    assert f"--to {to} needs {library}" in shown.output
    assert f"pip install 'tandem-agent[{extra}]'" in shown.output
    assert sorted(path.suffix for path in runs.rglob("*.*")) == [".index", ".mcap"]
