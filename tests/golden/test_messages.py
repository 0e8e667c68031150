"""What a person reads when something is wrong, word for word, with the exit code.

Each is one sentence or two on standard error, never a traceback, and nothing is half-started.
"""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
import typer
from eval_examples import example_record  # pyright: ignore[reportMissingImports]  # See conftest.
from serving_fakes import FakeRuntime, scene  # pyright: ignore[reportMissingImports]
from typer.testing import CliRunner

from agent.cli import app
from agent.commands.common import told
from agent.serve import serving
from bridge.errors import RenderUnavailableError, UnknownNameError
from bridge.messages import Observation
from bridge.specs import ArraySpec, ObservationSpec
from fast_brain.robots.scene_lock import RobotLock
from fast_brain.robots.scene_opengl import HOW_TO_GET_OPENGL

MISCONFIGURED, FAILED = 2, 1


def agent(*arguments: str) -> tuple[int, str]:
    """Run the command line here; returns the exit code and what stands on standard error."""
    done = CliRunner().invoke(app, arguments, prog_name="agent")
    assert "Traceback" not in done.stderr
    return done.exit_code, done.stderr


def test_an_unknown_preset() -> None:
    """A preset that does not exist is answered with the near match and the list."""
    code, said = agent("serve", "--preset", "demos")
    assert code == MISCONFIGURED
    assert said == (
        "No preset is called 'demos'. Did you mean 'demo'? "
        "Known: demo, flat, gymnasium_pendulum, memory, point_arm.\n"
    )


def test_an_unknown_key() -> None:
    """A setting that nobody reads is answered with its path and the near match."""
    code, said = agent("graph", "point_arm", "--set", "slow_brain.rate_h=2")
    assert code == MISCONFIGURED
    assert said.startswith("slow_brain has no setting 'rate_h'. Did you mean 'rate_hz'? Known: ")


def test_a_value_out_of_range() -> None:
    """A wrong value is answered with the path, what was expected in which unit, and what came."""
    assert agent("graph", "point_arm", "--set", "slow_brain.rate_hz=-1") == (
        MISCONFIGURED,
        "slow_brain.rate_hz: expected greater than 0 [Hz], got -1\n",
    )


def test_an_unknown_plugin(tmp_path: Path) -> None:
    """A plug-in that is not installed is answered with the near match and the list."""
    code, said = measured(tmp_path, "fast_brain.policy=hole")
    assert code == MISCONFIGURED
    assert said.startswith("No policy is called 'hole'. Did you mean 'hold'? Known: flow, hold")


def test_an_option_that_a_plugin_does_not_take(tmp_path: Path) -> None:
    """A plug-in's own options are checked like every other setting."""
    code, said = measured(tmp_path, "fast_brain.policy_options.horizn=8")
    assert code == MISCONFIGURED
    assert said.startswith(
        "policy 'straight_line' has no setting 'horizn'. Did you mean 'horizon'? Known: "
    )


def test_missing_weights(tmp_path: Path) -> None:
    """Weights that are not there are answered with the command that makes them."""
    code, said = measured(
        tmp_path, "fast_brain.policy=flow", "fast_brain.policy_options.weights=/nowhere/flow"
    )
    assert code == MISCONFIGURED
    assert said.startswith("There are no weights at /nowhere/flow")
    assert said.endswith("Make them with: agent train policy\n")


def test_a_goal_that_the_world_cannot_do() -> None:
    """Words that the scene does not have are named, and what the robot can do is listed."""
    run = FakeRuntime()
    with serving(scene(), make_runtime=lambda graph: run, with_page=False) as served:
        code, said = agent("run", "put the banana in the drawer", "--url", served.address)
    assert code == MISCONFIGURED
    assert said.startswith(
        "I cannot plan for the goal 'put the banana in the drawer (unknown here: banana)'."
    )
    assert said.endswith("close the window, put the cube in the drawer.\n")
    assert run.read("goal") is None


def test_a_goal_that_is_missing() -> None:
    """Without a goal nothing is asked of the robot, and the usage is shown."""
    code, said = agent("run")
    assert code == MISCONFIGURED
    assert "Missing argument 'goal'" in said


def test_nobody_serves() -> None:
    """Without a server, the command that starts one is named."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        assert agent("run", "reach left", "--url", url) == (
            MISCONFIGURED,
            f"No agent answers at {url}. Start one with: agent serve --preset demo\n",
        )


def test_a_port_in_use() -> None:
    """A port that another program holds is told before anything is started."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        code, said = agent("serve", "--preset", "point_arm", "--port", str(port))
    assert (code, said) == (
        MISCONFIGURED,
        (
            f"Port {port} on 127.0.0.1 is in use. Stop the program that holds it, "
            "or choose another port; port 0 takes any that is free.\n"
        ),
    )


def test_a_second_serve_of_the_same_robot() -> None:
    """A robot that is driven already is told with the process that drives it."""
    lock = RobotLock("golden")
    lock.take()
    try:
        assert told_of(RobotLock("golden").take) == (
            MISCONFIGURED,
            (
                f"Robot 'golden' is driven by process {os.getpid()}. "
                f"Stop that run first (Ctrl-C there, or `kill {os.getpid()}`).\n"
            ),
        )
    finally:
        lock.free()


def test_a_wrong_image_shape() -> None:
    """A picture of another size is told with its leaf, what was expected and what came."""
    wanted = ArraySpec(name="front", shape=(96, 96, 3), dtype="uint8")
    observation = Observation(
        stamp_ns=0, sequence=0, images={"front": np.zeros((64, 64, 3), np.uint8)}, proprioception={}
    )
    spec = ObservationSpec(images=(wanted,))
    assert told_of(lambda: spec.validate(observation)) == (
        FAILED,
        "observation.images.front: expected uint8[96, 96, 3], got uint8[64, 64, 3]\n",
    )


def test_no_opengl() -> None:
    """A machine that cannot draw is told what to install or to set."""

    def draw() -> None:
        raise RenderUnavailableError(
            backend="OpenGL", cause="no EGL device", what_to_do=HOW_TO_GET_OPENGL
        )

    code, said = told_of(draw)
    assert code == MISCONFIGURED
    assert said.startswith("Cannot render with OpenGL: no EGL device. ")
    assert "libegl1" in said


def test_episodes_that_would_be_overwritten(tmp_path: Path) -> None:
    """A result that is there already is not lost by running the command again."""
    book = tmp_path / "result.jsonl"
    book.write_bytes(msgspec.json.encode(example_record()) + b"\n")
    code, said = measured(tmp_path)
    assert code == MISCONFIGURED
    assert said == (
        f"{book} holds 1 episodes already. Go on with --resume, remove the file, "
        "or choose another --json.\n"
    )


def test_ctrl_c_is_no_error() -> None:
    """An interrupted command says nothing of its insides."""

    def interrupted() -> None:
        raise KeyboardInterrupt

    assert told_of(interrupted) == (130, "")


def test_debug_shows_where_an_error_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks for it gets the error itself."""
    monkeypatch.setenv("TANDEM_DEBUG", "1")
    done = CliRunner().invoke(app, ["graph", "nothing"])
    assert isinstance(done.exception, UnknownNameError)


def measured(folder: Path, *overrides: str) -> tuple[int, str]:
    """Try to measure one episode of the point arm."""
    changes = [word for override in overrides for word in ("--set", override)]
    return agent(
        "eval", "--suite", "point-reach", "--episodes", "1",
        "--json", str(folder / "result.json"), *changes,
    )  # fmt: skip


def told_of(verb: Callable[[], object]) -> tuple[int, str]:
    """How a command ends whose work raises what this verb raises."""
    only = typer.Typer()
    only.command()(told(lambda: verb()))  # noqa: PLW0108  # A command has no arguments of a verb's own.
    done = CliRunner().invoke(only)
    return done.exit_code, done.stderr
