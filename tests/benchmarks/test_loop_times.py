import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from benchmarks.control_loop import Row, make_report
from benchmarks.support.loop_plot import draw
from benchmarks.support.loop_times import LoopTimes, TickLog, load_times, p99_ratio_interval, pooled

MS_NS = 1_000_000


def logged(path: Path, *rows: tuple[int, int, int, int]) -> Path:
    """A log of ticks, in ms: woke, late, ended; and deadlines skipped."""
    log = TickLog(100)
    for woke, late, ended, skipped in rows:
        log.note(woke * MS_NS, late * MS_NS, ended * MS_NS, skipped)
    log.save(path)
    return path


def test_only_ticks_of_the_measured_part_count(tmp_path: Path) -> None:
    """Lateness is of waking, the command's is from the same deadline, and misses are summed."""
    path = logged(
        tmp_path / "ticks.npy",
        (0, 9, 9, 9),
        (10, 0, 11, 0),
        (21, 1, 23, 0),
        (45, 5, 46, 1),
        (50, 9, 59, 9),
    )
    times = load_times(path, 10 * MS_NS, 50 * MS_NS)
    assert list(times.woke_late_ms) == [0, 1, 5]
    assert list(times.command_late_ms) == [1, 3, 6]
    assert (times.missed, times.miss_rate) == (1, 0.25)
    assert times.effective_rate_hz == pytest.approx(2 / 0.035)


def test_turns_are_pooled_tick_by_tick(tmp_path: Path) -> None:
    """A situation's figures are those of all ticks of its turns, not means of their percentiles."""
    rows = [(10 * tick, tick % 3, 10 * tick + 3, 0) for tick in range(1, 9)]
    late = [(10 * tick, 7, 10 * tick + 9, 1) for tick in range(1, 3)]
    turns = [
        load_times(logged(tmp_path / f"{i}.npy", *ticks), 0, 10**12)
        for i, ticks in enumerate((rows, late))
    ]
    both = pooled(turns)
    assert sorted(both.woke_late_ms) == sorted([tick % 3 for tick in range(1, 9)] + [7, 7])
    assert (both.missed, both.miss_rate) == (2, 2 / 12)
    assert both.effective_rate_hz == pytest.approx(100)


def test_a_loop_that_stood_still_is_no_measurement(tmp_path: Path) -> None:
    """Without ticks there are no figures, rather than good ones."""
    path = logged(tmp_path / "ticks.npy", (10, 0, 11, 0))
    with pytest.raises(ValueError, match="1 ticks"):
        load_times(path, 0, 100 * MS_NS)


def test_the_report_has_the_ratios_of_what_was_measured(tmp_path: Path) -> None:
    """Each goal's figure is there under its name, and what was left out is not made up."""

    def times(scale: int) -> LoopTimes:
        rows = [(10 * tick, scale, 10 * tick + 1, 0) for tick in range(1, 9)]
        return load_times(logged(tmp_path / f"{scale}.npy", *rows), 0, 10**12)

    rows = [
        Row("ours", "idle", times(1), {}),
        Row("ours", "planner busy", times(2), {}),
        Row("ours", "planner hung", times(1), {}),
        Row("thread", "planner busy", times(40), {}),
    ]
    report = make_report(rows, 1.0, 1)
    assert report["p99_ratio_to_thread_design"] == 0.05
    assert report["p99_ratio_hung_to_idle"] == 1.0
    assert report["miss_rate_planner_busy"] == 0.0
    assert "p99_ratio_killed_to_idle" not in report
    assert len(report["situations"]) == 4
    json.dumps(report)


def test_the_picture_is_drawn(tmp_path: Path) -> None:
    """A curve for each measurement, in a PNG."""
    pytest.importorskip("matplotlib")
    rows = [(10 * tick, 1, 10 * tick + 1, 0) for tick in range(1, 9)]
    times = load_times(logged(tmp_path / "ticks.npy", *rows), 0, 10**12)
    picture = tmp_path / "figures" / "loop.png"
    draw({"idle": times}, {"thread": times}, picture)
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_interval_of_a_ratio_holds_the_true_one() -> None:
    """Two loops alike may be indistinguishable, and one twice as late may not."""
    random = np.random.default_rng(3)
    idle, alike = (_late(random.exponential(1.0, 6000)) for _ in range(2))
    low, high = p99_ratio_interval(alike, idle)
    assert low < 1 < high
    low, high = p99_ratio_interval(_late(random.exponential(2.0, 6000)), idle)
    assert 1 < low < 2 < high


def _late(lateness_ms: npt.NDArray[np.float64]) -> LoopTimes:
    return LoopTimes(
        woke_late_ms=lateness_ms, command_late_ms=lateness_ms, missed=0, effective_rate_hz=100.0
    )
