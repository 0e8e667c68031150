import json
from pathlib import Path

import pytest
from typer.testing import CliRunner
from virtual_traces import BEGIN_NS, REMEMBERING, SECOND_NS, goal, record
from written_traces import story, write_run

from agent.cli import app
from agent.replaying.fork import Fork, fork
from agent.replaying.report import render_fork
from agent.replaying.voices import Said
from agent.tracing.latents import recorded_latents
from agent.tracing.runs import Run
from agent.tracing.story import story_of
from agent.tracing.words import describe
from bridge.errors import ConfigError, ContractError
from bridge.messages import StopRequest

NOWHERE = Path("nowhere")


def refused(run: Run, time_s: float, **changed: str) -> str:
    """Why a fork is refused; no folder may have been made for it."""

    def make_folder() -> Path:
        raise AssertionError("a folder was made for a fork that cannot be")

    with pytest.raises((ConfigError, ContractError)) as caught:
        fork(run, time_s, make_folder, **changed)  # type: ignore[arg-type]
    return str(caught.value)


def test_from_the_beginning_nothing_changed_is_the_same_to_the_last_command(
    everything: Run, tmp_path: Path
) -> None:
    """A fork at the first moment is the run itself: what happened, and each action."""
    found = fork(everything, 0.0, lambda: tmp_path / "fork", tolerance=0.0)
    assert found.is_same
    assert found.difference.divergences == []
    assert (found.at_s, found.state_s) == (0.0, 0.0)
    assert found.outcomes == ("done", "done")
    assert found.world == {}


@pytest.mark.parametrize("at_s", [0.7, 2.505])
def test_from_the_middle_nothing_changed_comes_out_the_same(
    everything: Run, tmp_path: Path, at_s: float
) -> None:
    """Wherever it begins, it goes on from there to the same end."""
    found = fork(everything, at_s, lambda: tmp_path / "fork")
    assert found.at_s == pytest.approx(at_s, abs=0.01)
    assert at_s - 1.01 <= found.state_s <= at_s
    assert found.outcomes == ("done", "done")
    assert found.world == {}


def test_another_goal_takes_it_elsewhere(everything: Run, tmp_path: Path) -> None:
    """From T on the new goal counts alone, and what it led to stands beside the original."""
    found = fork(everything, 2.0, lambda: tmp_path / "fork", goal="return home")
    assert found.outcomes == ("done", "done")
    words = [row.second.words for row in found.difference.rows if row.second]
    assert words[0] == "return home"
    assert "reach right: active" not in words
    gone_on = Run(tmp_path / "fork")
    assert gone_on.start_ns == BEGIN_NS + 2 * SECOND_NS
    assert story_of(gone_on).goals[0].text == "return home"
    render_fork(found)


def test_another_setting_is_named_and_changes_the_end(everything: Run, tmp_path: Path) -> None:
    """A policy that stays leaves the arm where it was, and the world shows it."""
    found = fork(everything, 0.0, lambda: tmp_path / "fork", overrides=["fast_brain.policy=hold"])
    assert found.difference.settings["fast_brain.policy"][1] == "hold"
    assert [each.lane for each in found.difference.divergences] == ["command"]
    gone_on = Run(tmp_path / "fork")
    last = gone_on.newest("world", gone_on.end_ns)
    assert last is not None
    assert last.facts["facts"]["return home"] is True


def test_a_stop_that_stood_stands(tmp_path: Path) -> None:
    """A robot that was stopped at T is stopped in the fork, until it is released as it was then."""
    times = {at_s: BEGIN_NS + round(at_s * SECOND_NS) for at_s in (0.8, 1.6)}
    stop = StopRequest(reason="a hand", source="test", latched=True, stamp_ns=times[0.8])
    release = StopRequest(reason="away", source="test", latched=False, stamp_ns=times[1.6])
    run = record(
        tmp_path / "stopped",
        goal("reach left"),
        Said(times[0.8], "stop", stop),
        Said(times[1.6], "stop", release),
        length_s=3.5,
    )
    found = fork(run, 1.3, lambda: tmp_path / "fork")
    words = [row.second.words for row in found.difference.rows if row.second]
    assert words[:3] == ["stop: away (test)", "held: no_chunk", "commanded again"]
    assert found.outcomes == ("done", "done")


def test_the_command_records_a_run_of_its_own(short: Run, tmp_path: Path) -> None:
    """It is in the list of runs, with where it came from; JSON says the same."""
    arguments = ["trace", "fork", str(short.path), "0.5", "--runs", str(tmp_path), "--json"]
    shown = CliRunner().invoke(app, [*arguments, "--seconds", "1"])
    assert shown.exit_code == 0, shown.output
    found = json.loads(shown.output)
    gone_on = Run(Path(found["folder"]))
    assert gone_on.path.parent == tmp_path
    (born,) = [event for event in gone_on.kept if event.kind == "run.forked"]
    assert born.facts == {"run": "short", "at_s": pytest.approx(0.5, abs=0.01)}
    assert found["at_s"] == pytest.approx(0.5, abs=0.01)
    assert describe(born) == "forked from short at 0.500 s"


def test_what_cannot_be_forked_is_refused(short: Run, everything: Run, tmp_path: Path) -> None:
    """Times outside, runs without states, a goal that is over or missing: a sentence each."""
    assert "outside run short: it was recorded from 0 s to 1." in refused(short, 99.0)
    old = Run(write_run(tmp_path / "old", story()))
    assert "holds no state of its robot" in refused(old, 1.0)
    assert "the goal was over already" in refused(everything, everything.length_s - 0.2)
    idle = record(tmp_path / "idle", goal("reach left", 0.5), length_s=0.4)
    assert "nobody had asked for anything: say what to do with --goal" in refused(idle, 0.3)


def test_a_time_before_the_first_state_is_refused(tmp_path: Path) -> None:
    """It says from when on a fork can begin."""
    run = record(tmp_path / "late", length_s=0.5)
    first = next(run.walk("robot.state"))
    run.parts[0].index.about["monotonic_ns"] = str(first.stamp_ns - SECOND_NS)
    assert "is of 1.000 s, after 0.2 s: begin there or later" in refused(run, 0.2)


def test_a_state_of_another_robot_is_refused(short: Run, tmp_path: Path) -> None:
    """A robot is not put into another one's state."""
    with pytest.raises((ConfigError, ContractError), match="restore"):
        fork(
            short,
            0.5,
            lambda: tmp_path / "fork",
            overrides=[
                "robot.kind=gymnasium:Pendulum-v1",
                "fast_brain.policy=hold",
                "fast_brain.policy_options.target=last_action",
                "fast_brain.target_proprioception=last_action",
                "fast_brain.control_rate_hz=20",
            ],
        )


def test_a_redacted_goal_needs_another(tmp_path: Path) -> None:
    """What was redacted cannot be asked for again, but something else can."""
    run = record(tmp_path / "secret", length_s=1.0, settings=("recording.redact=[goal.text]",))
    assert "was redacted" in refused(run, 0.5)
    found = fork(run, 0.5, lambda: tmp_path / "fork", goal="return home", limit_s=8)
    assert isinstance(found, Fork)
    assert found.outcomes[1] == "done"


def test_what_was_remembered_is_remembered(tmp_path: Path) -> None:
    """With its latents in the trace, a fork begins with the memory of then, and the newest one."""
    settings = ("recording.latents=full", *REMEMBERING)
    run = record(tmp_path / "full", length_s=3.0, settings=settings)
    latents = [
        each for each in recorded_latents(run) if each.ready_stamp_ns < BEGIN_NS + 2 * SECOND_NS
    ]
    assert len(latents) > 2
    found = fork(run, 2.0, lambda: tmp_path / "fork", limit_s=1.0)
    assert "memory" not in " ".join(found.notes)
    (restored,) = [e for e in Run(tmp_path / "fork").kept if e.kind == "memory.restored"]
    assert restored.facts["goal_id"] == "g"
    plain = record(tmp_path / "summary", length_s=3.0, settings=REMEMBERING)
    without = fork(plain, 2.0, lambda: tmp_path / "without", limit_s=1.0)
    assert "empty memory" in " ".join(without.notes)


def test_recorded_thoughts_can_be_thought_again(everything: Run, tmp_path: Path) -> None:
    """The planner of then answers what the fork asks, and the arm comes to the same end."""
    found = fork(everything, 2.0, lambda: tmp_path / "fork", planner="replay")
    gone_on = Run(tmp_path / "fork")
    assert gone_on.settings["slow_brain"]["planner"] == "replay"
    assert found.outcomes == ("done", "done")
