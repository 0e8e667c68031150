import json
from pathlib import Path

import pytest
from typer.testing import CliRunner
from virtual_traces import BEGIN_NS, SECOND_NS, goal, record
from written_traces import story, write_run

from agent.cli import app
from agent.replaying.replay import replay
from agent.replaying.report import render_replay
from agent.replaying.voices import Said
from agent.tracing.runs import Run
from bridge.errors import ConfigError, UnknownKeyError
from bridge.messages import Remark, StopRequest


def test_nothing_changed_is_no_divergence(everything: Run) -> None:
    """Today's agent, shown what the same agent saw, plans, chooses and commands the same."""
    found = replay(everything, tolerance=1e-6)
    assert found.difference.divergences == []
    assert found.is_same
    assert found.chunks.compared > 15
    assert found.chunks.largest < 1e-6
    render_replay(found)


def test_two_replays_are_the_same_to_the_last_byte(short: Run) -> None:
    """The report of a replay is the same each time, also of one that is not the same as the run."""
    texts = set[str]()
    for _ in range(2):
        result = CliRunner().invoke(
            app,
            ["trace", "replay", str(short.path), "--json", "--set", "fast_brain.policy=hold"],
        )
        assert result.exit_code == 0, result.output
        texts.add(result.output)
    assert len(texts) == 1
    found = json.loads(texts.pop())
    assert not found["is_same"]
    assert found["chunks"]["largest"] > 0.1
    assert [each["lane"] for each in found["difference"]["divergences"]] == ["command"]
    assert list(found["difference"]["settings"]) == ["fast_brain.policy"]


def test_what_people_said_is_said_again(tmp_path: Path) -> None:
    """Goals, remarks and stops come at their times: nothing goes another way for want of them."""
    hands_off = StopRequest(reason="a hand", source="test", latched=True, stamp_ns=0)
    times = {at_s: BEGIN_NS + round(at_s * SECOND_NS) for at_s in (0.5, 1.5, 2.0)}
    remark = Remark(text="slowly", id="r", source="test", stamp_ns=times[0.5])
    run = record(
        tmp_path / "told",
        goal("reach left"),
        Said(times[0.5], "remark", remark),
        Said(times[1.5], "stop", _at(hands_off, times[1.5])),
        Said(times[2.0], "stop", _at(hands_off, times[2.0], latched=False)),
        goal("return home", 2.5, "g2"),
        length_s=4.0,
        settings=("recording.observation_rate_hz=100",),
    )
    found = replay(run, tolerance=1e-6)
    assert found.difference.divergences == []
    words = [row.first.words for row in found.difference.rows if row.first]
    for each in ("somebody said 'slowly' (test)", "latched stop: a hand (test)", "return home"):
        assert each in words


def test_the_replays_own_trace_can_be_kept(short: Run, tmp_path: Path) -> None:
    """It is a run like any other, and one that is there already is not written over."""
    arguments = ["trace", "replay", str(short.path), "--out", str(tmp_path / "kept")]
    first, second = (CliRunner().invoke(app, arguments) for _ in range(2))
    assert first.exit_code == 0, first.output
    assert Run(tmp_path / "kept").length_s == pytest.approx(short.length_s, abs=0.2)
    assert second.exit_code == 2
    assert "holds a trace already" in second.output


def test_a_run_without_what_was_seen_is_refused(tmp_path: Path) -> None:
    """A trace of an older agent cannot be shown to a brain again, and that is said."""
    with pytest.raises(ConfigError, match="holds no observations"):
        replay(Run(write_run(tmp_path / "old", story())))


def test_a_setting_that_nobody_reads_is_refused(short: Run) -> None:
    """A misspelt setting ends it before anything is lived through."""
    with pytest.raises(UnknownKeyError, match="rte_hz"):
        replay(short, overrides=["slow_brain.rte_hz=2"])


def test_a_redacted_goal_cannot_be_given_again(tmp_path: Path) -> None:
    """Nobody can be told what the trace does not say."""
    run = record(tmp_path / "secret", length_s=0.5, settings=("recording.redact=[goal.text]",))
    with pytest.raises(ConfigError, match=r"goal at 0\.000 s was redacted"):
        replay(run)


def test_a_virtual_run_that_ends_early_is_told_by_its_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An agent whose robot fails still leaves a trace, which says so."""
    monkeypatch.setattr("fast_brain.robots.point_arm.PointArm.advance", _fail)
    run = record(tmp_path / "failed", length_s=1.0)
    assert [event.facts["node"] for event in run.kept if event.kind == "node.down"] == ["robot"]


def _fail(*_: object) -> None:
    raise OSError("the motor is gone")


def _at(stop: StopRequest, stamp_ns: int, *, latched: bool = True) -> StopRequest:
    return StopRequest(reason=stop.reason, source="test", latched=latched, stamp_ns=stamp_ns)


def test_recorded_thoughts_are_those_of_then(everything: Run) -> None:
    """Under yesterday's thoughts today's fast brain does what it did, and no model is asked."""
    found = replay(everything, planner="replay")
    assert found.difference.settings["slow_brain.planner"] == ("scripted", "replay")
    lanes = {row.second.lane for row in found.difference.rows if row.second}
    assert {"plan", "subtask", "outcome"} <= lanes
    assert all(row.is_same for row in found.difference.rows)


def test_what_a_killed_run_left_is_replayed_to_its_end(everything: Run, tmp_path: Path) -> None:
    """A trace that ends in the middle is lived through as far as it goes; it stays as it is."""
    whole = everything.parts[0].file.read_bytes()
    (tmp_path / "cut").mkdir()
    cut = tmp_path / "cut" / "trace-001.mcap"
    cut.write_bytes(whole[: len(whole) // 3])
    found = replay(Run(cut.parent), tolerance=1e-6)
    assert found.is_same
    assert 1 < found.length_s < everything.length_s - 1
    assert found.notes[0] == "It ends in the middle: the run goes on, or it was killed."
    assert cut.read_bytes() == whole[: len(whole) // 3]
