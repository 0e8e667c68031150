from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bridge import ContractError
from fast_brain.robots import scene_recording
from fast_brain.robots.scene_physics import ScenePhysics
from fast_brain.robots.scene_recording import (
    SceneStates,
    StateRecorder,
    load_states,
    render_states,
    save_states,
)

pytestmark = pytest.mark.sim

FRAME_NS = 40_000_000


@pytest.fixture
def states(physics: ScenePhysics) -> SceneStates:
    """Half a second in which the arm moves."""
    recorder = StateRecorder()
    for beat in range(50):
        physics.step(np.array([0.4, 0.1, 0.2, 0.4, 0.0]))
        recorder.note(beat * 10_000_000, physics)
    return recorder.states()


@pytest.fixture(autouse=True)
def share_compiled_scene(monkeypatch: pytest.MonkeyPatch, compiled_scene: ScenePhysics) -> None:
    """Films of these tests are drawn with the one compiled scene."""
    monkeypatch.setattr(scene_recording, "ScenePhysics", lambda: compiled_scene)


def test_recorder_keeps_25_states_a_second(states: SceneStates) -> None:
    """Of 100 beats a second every fourth is kept."""
    assert np.array_equal(np.diff(states.stamp_ns), np.full(len(states.stamp_ns) - 1, FRAME_NS))


def test_recorder_is_bounded(physics: ScenePhysics) -> None:
    """A long run keeps its newest part only."""
    recorder = StateRecorder(longest_s=0.2)
    for frame in range(20):
        recorder.note(frame * FRAME_NS, physics)
    assert recorder.states().stamp_ns.tolist() == [frame * FRAME_NS for frame in range(15, 20)]


def test_saved_states_come_back(states: SceneStates, tmp_path: Path) -> None:
    """What is written is what is read."""
    path = tmp_path / "deep" / "states.npz"
    save_states(path, states)
    for written, read in zip(states, load_states(path), strict=True):
        assert np.array_equal(written, read)


def test_another_file_is_refused(tmp_path: Path) -> None:
    """A file that is no recording is named in the refusal."""
    path = tmp_path / "states.npz"
    path.write_bytes(b"not an archive")
    with pytest.raises(ContractError, match=r"states\.npz"):
        load_states(path)


def test_film_without_an_encoder_is_a_gif(
    states: SceneStates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is no MP4 encoder the film is a GIF that moves, and shows its captions."""
    monkeypatch.setattr(scene_recording, "_has_encoder", lambda: False)
    path = render_states(
        states,
        tmp_path / "film.mp4",
        [(5 * FRAME_NS, "open the drawer")],
        camera="raycast",
        size_px=96,
    )
    assert path.suffix == ".gif"
    with Image.open(path) as film:
        first = np.asarray(film.convert("RGB"))
        film.seek(5)
        last = np.asarray(film.convert("RGB"))
    assert np.abs(first.astype(int) - last).max() > 50
    assert first[96:].max() < 50
    assert last[96:].max() > 200


def test_film_is_an_mp4_where_it_can(states: SceneStates, tmp_path: Path) -> None:
    """With the encoder installed the film is an MP4 file."""
    pytest.importorskip("imageio_ffmpeg")
    path = render_states(states, tmp_path / "film.mp4", camera="raycast", size_px=96)
    assert path.suffix == ".mp4"
    assert path.read_bytes()[4:8] == b"ftyp"
