from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from written_traces import story, told, write_run

from agent.tracing.diff import Difference, compare, parting
from agent.tracing.runs import Run
from agent.tracing.show import render_difference


def difference(
    folder: Path, second: list[dict[str, Any]], first: list[dict[str, Any]] | None = None
) -> Difference:
    """The usual story beside another one."""
    runs = [
        Run(write_run(folder / name, events))
        for name, events in (("a", first or story()), ("b", second))
    ]
    return compare(runs[0], runs[1], tolerance=0.01)


@given(later_s=st.floats(0, 30))
def test_the_same_run_later_is_no_divergence(
    tmp_path_factory: pytest.TempPathFactory, later_s: float
) -> None:
    """Only what happened since the first goal counts, not how long nobody wanted anything."""
    later = [event | {"at_s": event["at_s"] + later_s} for event in story()]
    found = difference(tmp_path_factory.mktemp("runs"), later)
    assert found.divergences == []
    assert all(row.is_same for row in found.rows)
    assert parting(found.rows) == []


def test_an_event_of_one_run_alone_is_where_they_part(tmp_path: Path) -> None:
    """What fell in one of them is told with its time, and what is after it is aligned again."""
    fell = told(0.9, "supervisor", "node.down", node="planner", how="died", reason="killed")
    found = difference(tmp_path, [*story(), fell])
    (parted,) = found.divergences
    assert (parted.at_s, parted.lane) == (pytest.approx(0.8), "event")
    assert (parted.first, parted.second) == ("nothing of that", "planner fell: died, killed")
    assert [row.is_same for row in found.rows].count(False) == 1
    assert found.rows[-1].is_same


@pytest.mark.parametrize(
    ("ticks", "by", "lanes"), [(10, 0.2, ["command"]), (10, 0.005, []), (4, 0.2, [])]
)
def test_other_commands_part_two_runs_when_they_are_far_apart_for_long(
    tmp_path: Path, ticks: int, by: float, lanes: list[str]
) -> None:
    """One that lasts is told from its first tick on; a small or a short one is not."""
    events = story()
    for event in events:
        if event["kind"] == "control.ticks" and event["at_s"] in (0.7, 0.8):
            kept = ticks if event["at_s"] == 0.7 else max(0, ticks - 5)
            event["actions"] = [0.5 + by, -0.25] * kept + [0.5, -0.25] * (10 - kept)
    found = difference(tmp_path, events).divergences
    assert [each.lane for each in found] == lanes
    for each in found:
        assert each.at_s == pytest.approx(0.6)
        assert (each.first, each.second) == ("commanded 0.5, -0.25", "commanded 0.7, -0.25")


def test_settings_that_differ_are_told_by_their_names(tmp_path: Path) -> None:
    """A preset that was changed shows before what it led to."""
    first = Run(write_run(tmp_path / "a", story()))
    path = write_run(tmp_path / "b", story(), settings='{"fast_brain": {"stitcher": "bid"}}')
    found = compare(first, Run(path), tolerance=0.01)
    assert found.settings == {"fast_brain.stitcher": ("rtc", "bid")}
    assert found.as_json()["is_same"]
    render_difference(found)
