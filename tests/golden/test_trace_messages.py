"""What a person reads when a trace is not as it should be, word for word; it is left as it was."""

from pathlib import Path

import pytest
from mcap.writer import Writer
from typer.testing import CliRunner
from written_traces import story, write_run  # pyright: ignore[reportMissingImports]  # See conftest.

from agent.cli import app

MISCONFIGURED = 2


def trace(*arguments: str, runs: Path) -> tuple[int, str, str]:
    """Run `agent trace` here; returns the exit code and what stands on both outputs."""
    runner = CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"})
    done = runner.invoke(app, ["trace", *arguments, "--runs", str(runs)], prog_name="agent")
    assert "Traceback" not in done.stderr
    return done.exit_code, done.stdout, done.stderr


def refused(*arguments: str, runs: Path) -> str:
    """What a command says that cannot do what it was asked for."""
    code, out, said = trace(*arguments, runs=runs)
    assert (code, out) == (MISCONFIGURED, "")
    return said


def test_no_runs(tmp_path: Path) -> None:
    """Where nothing was recorded, it is said what records."""
    assert trace("ls", runs=tmp_path) == (
        0,
        f"No run is recorded in {tmp_path}. Begin with: agent demo\n",
        "",
    )
    assert refused("show", "last", runs=tmp_path) == (
        f"No run is recorded in {tmp_path}. `agent serve` and `agent demo` record theirs in runs; "
        "name another folder with --runs.\n"
    )


def test_a_run_that_is_not_there(tmp_path: Path) -> None:
    """A name that no run has is answered with the near match and the list."""
    write_run(tmp_path / "20260101-120000", story())
    assert refused("why", "20260101-12000", "1", runs=tmp_path) == (
        "No recorded run is called '20260101-12000'. Did you mean '20260101-120000'? "
        "Known: 20260101-120000, last.\n"
    )


def test_a_time_outside_the_run(tmp_path: Path) -> None:
    """A moment that was not recorded is answered with the moments that were."""
    write_run(tmp_path / "a", story())
    for time in ("2.5", "1:00"):
        assert refused("why", "a", time, runs=tmp_path) == (
            f"{'2.5' if time == '2.5' else '60'} s is outside run a: it was recorded from 0 s to "
            "1.990 s.\n"
        )


@pytest.mark.parametrize("time", ["soon", "nan", "1:x"])
def test_a_time_that_is_none(tmp_path: Path, time: str) -> None:
    """Words that are no time are answered with how one is written."""
    write_run(tmp_path / "a", story())
    assert refused("why", "a", time, runs=tmp_path) == (
        f"{time!r} is no time: give seconds, as 12.5, or minutes, as 1:02.5.\n"
    )


def test_a_file_that_is_no_trace(tmp_path: Path) -> None:
    """A foreign file is told by how it begins, and is not changed."""
    file = tmp_path / "notes.txt"
    for content, what in (("hello", "it does not begin as an MCAP file does"), ("", "it is empty")):
        file.write_text(content)
        assert refused("show", str(file), runs=tmp_path) == (
            f"{file} is no trace: {what}. Runs are recorded as runs/<time>/trace-001.mcap; "
            "`agent trace ls` shows them.\n"
        )
        assert file.read_text() == content


def test_mcap_of_somebody_else(tmp_path: Path) -> None:
    """A file that another program recorded is told apart from a run of an agent."""
    file = tmp_path / "camera.mcap"
    with file.open("wb") as stream:
        writer = Writer(stream)
        writer.start()
        writer.finish()
    assert refused("show", str(file), runs=tmp_path) == (
        f"{file} is MCAP, but no run of an agent: it has no record 'tandem.run'. "
        "Foxglove and Rerun open it.\n"
    )


def test_a_trace_of_a_newer_agent(tmp_path: Path) -> None:
    """What might be misunderstood is not read, and it is said what to do."""
    file = write_run(tmp_path / "a", story(), trace_format="3")
    assert refused("show", "a", runs=tmp_path) == (
        f"{file} is a trace of format 3, and this agent reads up to format 2: "
        "update tandem-agent, or open it in Foxglove.\n"
    )


def test_a_trace_that_was_cut(tmp_path: Path) -> None:
    """What a killed run left is told to its end, and that it ends there."""
    file = write_run(tmp_path / "a", story())
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 4])
    code, out, _ = trace("show", "a", runs=tmp_path)
    assert code == 0
    assert "goal 'tidy up' (test) – not finished" in out
    assert out.endswith("It ends in the middle: the run goes on, or it was killed.\n")
    assert file.read_bytes() == whole[: len(whole) // 4]
    file.write_bytes(whole[:60])
    assert refused("show", "a", runs=tmp_path) == (
        f"{file} is no trace yet: it ends after 60 bytes.\n"
    )


def test_a_trace_that_is_damaged(tmp_path: Path) -> None:
    """A chunk that was damaged is left out and counted; the rest is told."""
    file = write_run(tmp_path / "a", story())
    spoilt = bytearray(file.read_bytes())
    spoilt[len(spoilt) // 4] ^= 0xFF
    file.write_bytes(spoilt)
    code, out, _ = trace("ls", runs=tmp_path)
    assert code == 0
    assert "a: 1 of its chunks are damaged and left out.\n" in out
    assert file.read_bytes() == spoilt


def test_one_run_that_cannot_be_read_does_not_hide_the_others(tmp_path: Path) -> None:
    """The list shows what there is, and says of the rest why not."""
    write_run(tmp_path / "a", story())
    file = tmp_path / "b" / "trace-001.mcap"
    file.parent.mkdir()
    file.write_text("hello")
    code, out, _ = trace("ls", runs=tmp_path)
    assert code == 0
    assert "tidy up  done     1/1       none" in out
    assert f"{file} is no trace: it does not begin as an MCAP file does." in out


def test_pruning_without_a_limit(tmp_path: Path) -> None:
    """Nothing is removed before it is said what may stay, and then only after a yes."""
    write_run(tmp_path / "a", story())
    assert refused("prune", "--yes", runs=tmp_path) == (
        "Say what may stay: give --keep N, --max-mb MB or --older-than DAYS.\n"
    )
    assert trace("prune", "--keep", "1", runs=tmp_path)[1] == (
        "0 runs of 0.0 MB would be removed; remove them with --yes.\n"
    )


def test_an_export_that_would_overwrite(tmp_path: Path) -> None:
    """A file that is there already is kept, and another name is asked for."""
    write_run(tmp_path / "a", story())
    target = tmp_path / "a" / "a.html"
    assert trace("export", "a", runs=tmp_path)[1] == (f"Written: {target} (0.0 MB)\n")
    before = target.read_bytes()
    assert refused("export", "a", runs=tmp_path) == (
        f"{target} exists. Choose another --out, or replace it with --overwrite.\n"
    )
    assert target.read_bytes() == before
