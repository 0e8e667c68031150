import contextlib
import json
from pathlib import Path

import pytest
from serving_fakes import FakeRuntime, planning, point_arm

from agent.demo import demo_config, film, run_demo
from agent.graph_parts import Graph
from agent.recording.folder import new_run_folder
from bridge.errors import RenderUnavailableError, UnknownNameError
from bridge.messages import Goal, SubtaskState


def playing(phase: str) -> FakeRuntime:
    """A run whose robot ends every goal at once, this way."""
    run = FakeRuntime()

    def play(goal: Goal) -> None:
        run.publish("planning", planning(goal, phase, SubtaskState.DONE, SubtaskState.DONE))

    run.on_goal = play
    return run


@pytest.mark.parametrize(("phase", "success"), [("goal_done", True), ("goal_failed", False)])
def test_a_demo_serves_asks_watches_and_ends(tmp_path: Path, phase: str, *, success: bool) -> None:
    """The goal goes through the real server, the result is kept, and the run is over."""
    run, said = playing(phase), list[str]()

    def make(graph: Graph) -> FakeRuntime:
        return run

    result = run_demo(
        point_arm(),
        tmp_path,
        goal="tidy up",
        seconds=20,
        tell=said.append,
        show=lambda status: None,
        with_page=False,
        make_runtime=make,
    )
    assert result["success"] is success
    assert result["film"] is None
    assert run.stopped_because
    assert json.loads((tmp_path / "result.json").read_text()) == result
    assert any("http://127.0.0.1:" in line for line in said)


def test_the_scene_is_filmed_into_the_runs_own_folder(tmp_path: Path) -> None:
    """The robot's process gets an absolute path, wherever it works."""
    with contextlib.chdir(tmp_path):
        config = demo_config("demo", [], Path("runs"))
    assert config.robot.options["states_path"] == str(tmp_path / "runs" / "states.npz")


def test_other_robots_are_not_filmed(tmp_path: Path) -> None:
    """An option that a robot does not know is not given to it."""
    assert demo_config("point_arm", [], tmp_path).robot.options == {}


def test_a_wrong_setting_is_told_before_a_folder_is_made(tmp_path: Path) -> None:
    """A typing error leaves nothing behind."""
    with pytest.raises(UnknownNameError):
        demo_config("demmo", [], tmp_path / "runs")
    assert list(tmp_path.iterdir()) == []


def test_runs_of_one_second_have_folders_of_their_own(tmp_path: Path) -> None:
    """No run writes over another one."""
    folders = {new_run_folder(tmp_path / "runs") for _ in range(5)}
    assert len(folders) == 5


def test_a_film_that_cannot_be_drawn_does_not_spoil_the_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without OpenGL the job still counts, and the reason for the missing film is told."""
    scene_recording = pytest.importorskip("fast_brain.robots.scene_recording")

    def refuse(*args: object) -> None:
        raise RenderUnavailableError(backend="egl", cause="no display", what_to_do="Install Mesa.")

    monkeypatch.setattr(scene_recording, "load_states", refuse)
    (tmp_path / "states.npz").write_bytes(b"")
    said: list[str] = []
    assert film(tmp_path, [], said.append) is None
    assert said[-1].endswith("Cannot render with egl: no display. Install Mesa.")
