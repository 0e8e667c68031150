import json
import subprocess
import sys
from pathlib import Path

import pytest

from agent.evaluation.records import EpisodeRecord
from benchmarks.engines import make_report as make_engines_report
from benchmarks.engines import print_table as print_engines
from benchmarks.latent_handover import through_mailbox
from benchmarks.observation_path import through_queue
from benchmarks.planner_delay import make_grid, make_report, print_table
from benchmarks.support.delay_plot import draw
from benchmarks.support.observation_copies import _mailbox_allocates, _per_message
from bridge.transports.segments import list_segments

ROOT = Path(__file__).parents[2]


def test_planner_delays_are_cells_both_ways() -> None:
    """No delay once, then ours and the rival's way, which is asked again after it has acted."""
    grid = make_grid(
        suite="point-reach",
        episodes=1,
        seed=0,
        settings=("point_arm", ["slow_brain.rate_hz=2"]),
        delays_s=[1.5],
        act_for_s=[5.0],
    )
    cells = [
        (cell.config.runtime.coupling, cell.config.runtime.planner_latency_s,
         cell.config.slow_brain.rate_hz)
        for cell in grid.cells
    ]  # fmt: skip
    assert cells == [
        ("asynchronous", 0.0, 2.0),
        ("asynchronous", 1.5, 2.0),
        ("synchronous", 1.5, 0.5),
        ("synchronous", 1.5, 1 / 6.5),
    ]


def test_both_engines_stand_in_one_table(capsys: pytest.CaptureFixture[str]) -> None:
    """A column for each engine, the worse of them beside the goal, and what is missing is said."""
    figures = {"start_up_s": 2.0, "plan_over_bare_generate": 1.01}
    found = {"transformers": figures, "vllm": {**figures, "plan_over_bare_generate": 1.02}}
    report = make_engines_report(found, {})
    assert report["most_plan_over_bare_generate"] == 1.02
    print_engines(report)
    print_engines(make_engines_report({"transformers": figures}, {"vllm": "there is no python"}))
    said = capsys.readouterr().out
    assert "start up [s]" in said
    assert said.count("vllm is not measured: there is no python.") == 1
    json.dumps(report)


def test_what_is_gained_counts_failures_with_the_limit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A way that never gets there is as slow as the time after which it is given up."""
    grid = make_grid(
        suite="point-reach",
        episodes=1,
        seed=0,
        settings=("point_arm", []),
        delays_s=[2.0],
        act_for_s=[5.0],
    )
    times_s = [10.0, 20.0, None, 30.0]
    results = [(cell, [_record(took)]) for cell, took in zip(grid.cells, times_s, strict=True)]
    report = make_report(grid, results)
    assert report["speedup_at_2_s"] == pytest.approx(6.0)
    assert report["speedup_over_best_interval_at_2_s"] == pytest.approx(1.5)
    assert report["success_points_lost_at_2_s"] == 0.0
    json.dumps(report)
    print_table(report)
    assert "delay 2 s: 6.0 times as fast, 1.5 times as the rival's best" in capsys.readouterr().out
    draw(report, tmp_path / "delay.png")
    assert (tmp_path / "delay.png").read_bytes().startswith(b"\x89PNG")


def _record(took_s: float | None) -> EpisodeRecord:
    return EpisodeRecord(
        index=0,
        seed=0,
        settings_id="",
        goal="reach left",
        success=took_s is not None,
        reason="",
        planner_said_done=True,
        time_to_finish_s=took_s,
        duration_s=120.0,
        subtasks=(),
        plans_made=1,
        ticks=100,
        held_ticks=0,
        missed_ticks=0,
        phase="goal_done",
        facts={},
    )


@pytest.mark.slow
def test_latents_and_observations_arrive_in_another_process() -> None:
    """The ways of sending that need no Ray deliver, and leave no shared memory behind."""
    before = list_segments()
    times = through_mailbox(40, 0.01, 0.0) | through_mailbox(40, 0.01, 200.0)
    assert set(times) == {"mailbox", "policy_beat", "policy_read"}
    assert all(min(taken_ns) > 0 for taken_ns in times.values())
    assert len(through_queue(12)) == 12
    assert list_segments() == before


def test_the_mailbox_copies_an_observation_once_on_each_side() -> None:
    """What is claimed of our path is measured: nothing allocated to send, one message to have."""
    sender, receiver = _per_message(_mailbox_allocates)
    assert sender == pytest.approx(0.0, abs=0.05)
    assert receiver == pytest.approx(1.0, abs=0.05)


def test_the_list_says_what_each_measures() -> None:
    """`python -m benchmarks --list` has a line for each, and an unknown name ends with all."""
    said = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--list"],
        check=True, capture_output=True, text=True, cwd=ROOT, timeout=30,
    ).stdout  # fmt: skip
    assert "latent_handover      How long" in said
    wrong = subprocess.run(
        [sys.executable, "-m", "benchmarks", "latent"],
        check=False, capture_output=True, text=True, cwd=ROOT, timeout=30,
    )  # fmt: skip
    assert wrong.returncode == 2
    assert "there is no benchmark 'latent'" in wrong.stderr
