import json
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from serving_fakes import FakeRuntime, planning, point_arm
from typer.testing import CliRunner, Result

from agent.cli import app
from agent.commands import making
from agent.serve import serving
from bridge.messages import Goal, SubtaskState
from configs import preset_names

# What the help must do without: each costs a second or a display.
_HEAVY = {"torch", "ray", "transformers", "fastapi", "nicegui", "mujoco", "rich", "uvicorn"}


def agent(*arguments: str) -> Result:
    """Run the command line here."""
    return CliRunner().invoke(app, arguments, prog_name="agent")


def test_help_starts_without_anything_heavy() -> None:
    """`agent --help` is there at once: no network, simulator or server is imported for it."""
    code = "import sys, agent.cli; print(','.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not _HEAVY & set(done.stdout.strip().split(","))


def test_without_a_command_the_help_is_shown() -> None:
    """A person who types only `agent` learns what there is."""
    assert "Commands:" in agent().output


def test_list_names_what_there_is() -> None:
    """Presets, plug-ins with their place, and suites."""
    shown = agent("list").stdout
    for wanted in (*preset_names(), "fast_brain.robots.point_arm:PointArm", "scene-chain"):
        assert wanted in shown


def test_graph_draws_a_preset_with_its_changes() -> None:
    """The picture follows the settings."""
    shown = agent("graph", "point_arm", "--set", "fast_brain.control_rate_hz=250").stdout
    assert "250 Hz" in shown
    assert "planner" not in agent("graph", "flat").stdout


def playing(phase: str) -> FakeRuntime:
    """A run whose robot ends every goal at once, this way."""
    run = FakeRuntime()

    def play(goal: Goal) -> None:
        states = (SubtaskState.DONE, SubtaskState.DONE)
        run.publish("planning", planning(goal, phase, *states, reason="as it went"))

    run.on_goal = play
    return run


@pytest.mark.parametrize(("phase", "code"), [("goal_done", 0), ("goal_failed", 1)])
def test_run_ends_by_how_it_went(tmp_path: Path, phase: str, code: int) -> None:
    """The exit code says whether the goal was met, and the file says the rest."""
    file = tmp_path / "result.json"
    with serving(point_arm(), make_runtime=lambda graph: playing(phase), with_page=False) as served:
        done = agent("run", "tidy up", "--url", served.address, "--json", str(file))
    assert done.exit_code == code
    assert ("Success" if code == 0 else "Failure") in done.stdout
    assert json.loads(file.read_text())["reason"] == "as it went"


def test_run_gives_up_in_time(tmp_path: Path) -> None:
    """A goal without an end is a failure when the time is up."""
    with serving(point_arm(), make_runtime=lambda graph: FakeRuntime(), with_page=False) as served:
        done = agent("run", "tidy up", "--url", served.address, "--timeout-s", "0.1")
    assert done.exit_code == 1
    assert "no end within 0.1 s" in done.stdout


def test_eval_measures_writes_and_tells(tmp_path: Path) -> None:
    """The report stands where it was asked for, the episodes beside it, and a table is shown."""
    file = tmp_path / "point.json"
    done = agent(
        "eval", "--suite", "point-reach", "--episodes", "1", "--seed", "5", "--json", str(file),
        "--set", "fast_brain.policy=straight_line", "--mode", "flat",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    report = json.loads(file.read_text())
    assert (report["success_rate"], report["mode"], report["seed"]) == (1.0, "flat", 5)
    assert file.with_suffix(".jsonl").read_text().count("\n") == 1
    assert "the whole goal" in done.stdout


def test_train_passes_on_what_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Folders, steps and resuming reach the training, and each of its phases is told."""
    training = pytest.importorskip("agent.training")
    asked: list[object] = []

    def train(plan: object, on_phase: making.OnPhase) -> Path:
        asked.append(plan)
        on_phase("first", 2)(0, {})
        on_step = on_phase("second", 4000)
        on_step(-1, {})
        on_step(3, {"loss": 0.5})
        return tmp_path

    monkeypatch.setattr(training, "train_planner", train)
    done = agent("train", "planner", "--demos", "d1", "--demos", "d2", "--steps", "7", "--resume")
    assert done.exit_code == 0, done.output
    assert "first: 2\nsecond: 4,000\n" in done.stderr
    (plan,) = asked
    assert plan.datasets == [Path("d1"), Path("d2")]  # pyright: ignore[reportAttributeAccessIssue]
    assert (plan.steps, plan.resume) == (7, True)  # pyright: ignore[reportAttributeAccessIssue]


def test_training_without_demonstrations_says_how_to_make_them(tmp_path: Path) -> None:
    """What is missing is told with the command that makes it."""
    done = agent("train", "planner", "--demos", str(tmp_path), "--work", str(tmp_path))
    assert done.exit_code == 2
    assert "Make them with: agent demos record" in done.stderr


@pytest.mark.ray
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_serve_ends_cleanly_when_it_is_told_to(how: signal.Signals) -> None:
    """Ctrl-C and SIGTERM stop the robot, end every process, and are no failure."""
    program = [sys.executable, "-m", "agent.cli", "serve", "--preset", "point_arm", "--port", "0"]
    program += ["--set", "recording.enabled=false"]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as it:
        assert it.stdout is not None
        for line in it.stdout:
            if "Ctrl-C" in line:
                break
        children = psutil.Process(it.pid).children(recursive=True)
        it.send_signal(how)
        out, err = it.communicate(timeout=40)
    assert it.returncode == 0
    assert out.endswith("Stopped.\n")
    assert "Traceback" not in err
    assert children
    _, left = psutil.wait_procs(children, timeout=5)
    assert not left
