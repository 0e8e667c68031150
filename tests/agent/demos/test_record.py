from pathlib import Path

import numpy as np
import pytest

from agent.demos.dataset import read_episode
from agent.demos.record import DemoRecorder
from fast_brain.robots.scene_facts import SKILLS

pytestmark = [pytest.mark.sim, pytest.mark.usefixtures("quick_recorders")]


def columns(root: Path, episode: int) -> tuple[list[list[float]], list[list[float]]]:
    """The actions and states of an episode."""
    table, _ = read_episode(root, episode)
    return table["action"].to_pylist(), table["observation.state"].to_pylist()


def test_same_seed_gives_the_same_data(tmp_path: Path) -> None:
    """An episode is the same to the last bit, whatever was recorded before it."""
    first, second = DemoRecorder(tmp_path / "one"), DemoRecorder(tmp_path / "two")
    first.record(7, seed=8)
    second.record(20, seed=8)
    second.record(7, seed=8)
    assert columns(tmp_path / "one", 7) == columns(tmp_path / "two", 7)


def test_another_seed_gives_other_data(tmp_path: Path) -> None:
    """Series of two seeds differ."""
    recorder = DemoRecorder(tmp_path)
    recorder.record(7, seed=8)
    first = columns(tmp_path, 7)
    recorder.record(7, seed=9)
    assert columns(tmp_path, 7) != first


def test_rows_are_what_a_learner_needs(tmp_path: Path) -> None:
    """Rows are in order of time at 20 Hz, name a skill, and stay inside the workspace."""
    info = DemoRecorder(tmp_path).record(7, seed=8)
    table, read = read_episode(tmp_path, 7)
    assert read == info
    assert table.num_rows == info["frames"] > 0
    assert np.diff(table["timestamp"].to_pylist()) == pytest.approx(0.05, abs=1e-5)
    assert set(table["subtask"].to_pylist()) <= set(SKILLS)
    actions = np.array(table["action"].to_pylist())
    assert np.isfinite(actions).all()
    assert (actions[:, :3] >= [0.249, -0.351, 0.019]).all()
    assert (actions[:, :3] <= [0.601, 0.351, 0.351]).all()
    assert set(actions[:, 4]) <= {0.0, 1.0}
