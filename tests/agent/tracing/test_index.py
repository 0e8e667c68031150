from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from written_traces import START_NS, story, write_run

from agent.recording.reading import Trace
from agent.tracing import index as indexing
from agent.tracing.index import index_path, load_index
from agent.tracing.runs import Run, find_run
from bridge.errors import ConfigError


def test_what_is_read_by_the_index_is_what_was_recorded(tmp_path: Path) -> None:
    """All events of a stretch come back, as if the whole file had been read."""
    path = write_run(tmp_path / "a", story())
    everything = list(Trace(path))
    first_ns, last_ns = START_NS + 400_000_000, START_NS + 1_300_000_000
    wanted = [event for event in everything if first_ns <= event.stamp_ns <= last_ns]
    found = Run(path.parent).events(first_ns, last_ns)
    assert sorted(map(str, found)) == sorted(map(str, wanted))
    index = load_index(path)
    assert (index.ticks, index.is_complete, index.damaged) == (150, True, 0)
    assert index.counts["control control.ticks"] == 15


def test_the_second_look_reads_the_index_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trace that has not changed is not read again; without its index it is, to the same end."""
    path = write_run(tmp_path / "a", story())
    first = load_index(path)
    monkeypatch.setattr(indexing, "scan", None)
    assert load_index(path) == first
    monkeypatch.undo()
    for spoil in (Path.unlink, lambda file: file.write_bytes(b"\x00rubbish")):
        spoil(index_path(path))
        assert load_index(path) == first


def test_a_trace_that_has_grown_is_read_on(tmp_path: Path) -> None:
    """What is known of a run that goes on equals what is known when all of it is read at once."""
    path = write_run(tmp_path / "a", story())
    whole = path.read_bytes()
    wanted = load_index(path)
    index_path(path).unlink()
    for share in (0.3, 0.5, 0.9):
        path.write_bytes(whole[: round(share * len(whole))])
        assert not load_index(path).is_complete
    path.write_bytes(whole)
    assert load_index(path) == wanted


def test_a_trace_of_the_format_before_is_read_as_ever(tmp_path: Path) -> None:
    """A newer agent tells the same of what an older one recorded."""
    now = load_index(write_run(tmp_path / "a", story()))
    before = load_index(write_run(tmp_path / "b", story(), trace_format="1"))
    assert before.counts == now.counts
    assert [str(event) for event in before.kept] == [str(event) for event in now.kept]


def test_another_trace_of_the_same_name_is_read_anew(tmp_path: Path) -> None:
    """An index never speaks for a file that it was not made from."""
    path = write_run(tmp_path / "a", story())
    load_index(path)
    path.unlink()
    write_run(tmp_path / "a", story(3.0), run="another")
    assert load_index(path).ticks == 250


@given(place=st.floats(0.05, 0.95), value=st.integers(1, 255))
# A chunk that claims to be larger than any machine's memory.
@example(place=0.27232828864770203, value=128)
def test_a_damaged_byte_is_an_error_or_a_note_and_never_another_story(
    tmp_path_factory: pytest.TempPathFactory, place: float, value: int
) -> None:
    """Whatever byte is wrong, what is read was recorded so, and the trace is left as it is."""
    path = write_run(tmp_path_factory.mktemp("damaged") / "a", story())
    wanted = {str(event) for event in Trace(path)}
    spoilt = bytearray(path.read_bytes())
    at = round(place * len(spoilt))
    spoilt[at] ^= value
    path.write_bytes(spoilt)
    try:
        run = Run(path)
        found = {str(event) for event in run.events(0, 2**62)}
    except ConfigError as error:
        assert str(path) in str(error)  # noqa: PT017  # An error is one of two right answers.
    else:
        assert found <= wanted
        assert found == wanted or run.notes
    assert path.read_bytes() == spoilt


def test_a_folder_that_cannot_be_written_is_looked_at_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without room for an index the answer is the same, and only slower."""
    path = write_run(tmp_path / "a", story())

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "write_bytes", refuse)
    assert load_index(path).ticks == 150
    assert list(path.parent.iterdir()) == [path]


def test_a_run_is_found_by_name_path_and_as_the_last(tmp_path: Path) -> None:
    """Each way of naming a run leads to the same one."""
    for name in ("a", "b"):
        write_run(tmp_path / name, story())
    for name in ("b", "last", str(tmp_path / "b"), str(tmp_path / "b" / "trace-001.mcap")):
        assert find_run(name, tmp_path).id == "b"
