"""Each kind of file is read back with the library that is made for it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import imageio_ffmpeg
import numpy as np
import pytest
from pictured_traces import observation, pictured_run
from written_traces import story, write_run

from agent.exporting.stretch import Stretch, stretch_of
from agent.exporting.target import Target
from agent.exporting.targets import export
from agent.exporting.video import FRAMES_PER_SECOND
from agent.recording.config import RecordingConfig
from agent.tracing.runs import Run
from bridge.errors import ConfigError
from slow_brain.recorded_thoughts import read_thoughts

# A program that has to be started first.
_LIMIT_S = 50


def test_hdf5_is_as_robomimic_lays_it_out(stretch: Stretch, target: Path) -> None:
    """Episodes, their lengths and their observations are where robomimic looks for them."""
    export(stretch, Target.HDF5, target)
    with h5py.File(target, "r") as file:
        assert [name.decode() for name in file["mask/train"][:]] == list(file["data"].keys())
        demo = file["data/demo_0"]
        count = demo.attrs["num_samples"]
        assert file["data"].attrs["total"] == count == len(demo["actions"])
        assert json.loads(file["data"].attrs["env_args"])["env_kwargs"]["frames_per_second"] == 10
        assert (demo["actions"].shape, demo["actions"].dtype) == ((count, 2), np.float32)
        assert list(demo["dones"][:]) == [0] * (count - 1) + [1]
        assert (demo["rewards"][-1], demo.attrs["goal_outcome"]) == (1.0, "done")
        for row, position in enumerate(demo["obs/position_m"][:]):
            wanted = observation(round(float(position[0]))).images["front"]
            assert np.array_equal(demo["obs/front_image"][row], wanted)
        assert demo["obs/wrist_image"].shape == (count, 24, 32, 3)
        assert set(demo["subtasks"].asstr()[:]) == {"reach left"}
        said = json.loads(demo["language"].asstr()[()])
    assert [each["style"] for each in said] == ["plan", "subtask", "interjection"]


def test_a_camera_that_changes_its_size_is_refused(tmp_path: Path) -> None:
    """One array holds all pictures of a camera, so that they have to be alike."""
    from agent.exporting.frames import Pictures

    stretch = stretch_of(pictured_run(tmp_path / "a"))
    names = [event.facts["images"]["front"] for event in stretch.events("observation")]
    file = Pictures.file

    def changed(pictures: Pictures, name: str) -> tuple[bytes, str]:
        from agent.recording.pictures import encode_picture

        if name != names[9]:
            return file(pictures, name)
        larger = encode_picture(
            np.zeros((48, 64, 3), np.uint8), lossless_up_to_px=128, jpeg_quality=90
        )
        assert larger is not None
        return larger

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pictures, "file", changed)
        with pytest.raises(ConfigError, match=r"'front' changed.*\[24, 32, 3\] to \[48, 64, 3\]"):
            export(stretch, Target.HDF5, tmp_path / "out")


def test_a_film_plays_as_fast_as_it_happened(stretch: Stretch, target: Path) -> None:
    """It is as long as the run, shows all cameras side by side, and each what it saw then."""
    written = export(stretch, Target.VIDEO, target)
    width, height = written["width_px"], written["height_px"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-i", target, "-f", "rawvideo"]
    played = subprocess.run(
        [*command, "-pix_fmt", "rgb24", "-"], check=True, timeout=_LIMIT_S, capture_output=True
    )
    assert f"{width}x{height}" in played.stderr.decode()
    assert f", {FRAMES_PER_SECOND} fps," in played.stderr.decode()
    shown = np.frombuffer(played.stdout, np.uint8).reshape(-1, height, width, 3)
    assert len(shown) == pytest.approx(stretch.length_s * FRAMES_PER_SECOND, abs=1)
    for number in (1, 20, 39):
        # The front camera's grey grows by 10 with each tenth of a second; the wrist's stays.
        sensed = int((number / FRAMES_PER_SECOND - 0.02) * 10)
        assert shown[number][:300, : width // 2].mean() == pytest.approx(10 * sensed, abs=4)
        assert shown[number][:300, width // 2 :].mean() == pytest.approx(200, abs=4)
    caption = [frame[-56:].max() for frame in (shown[0], shown[20])]
    assert caption[1] > 200
    assert target.stat().st_size < 100_000


def test_a_run_that_was_killed_is_exported_to_its_end(tmp_path: Path) -> None:
    """A trace that ends in the middle becomes a page of what there is, and is left as it was."""
    file = pictured_run(tmp_path / "a").parts[0].file
    file.write_bytes(file.read_bytes()[: file.stat().st_size * 2 // 3])
    before = file.read_bytes()
    stretch = stretch_of(Run(tmp_path / "a"))
    export(stretch, Target.HTML, tmp_path / "run.html")
    assert "It ends in the middle" in (tmp_path / "run.html").read_text("utf-8")
    assert file.read_bytes() == before


def test_a_film_that_was_cut_off_is_noticed(
    stretch: Stretch, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An encoder that ends early without a word leaves no film, and is told of."""
    from agent.exporting import video

    encode = video._encode

    def cut_off(path: Path, *rest: Any) -> None:
        encode(path, *rest)
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) * 2 // 3])

    monkeypatch.setattr(video, "_encode", cut_off)
    with pytest.raises(ConfigError, match=r"the encoder did not finish; .* MB are free there"):
        export(stretch, Target.VIDEO, target)
    assert not target.exists()


def test_a_run_without_pictures_makes_no_film(tmp_path: Path) -> None:
    """A robot without cameras, or one whose pictures were redacted, gets a sentence for it."""
    redacted = pictured_run(tmp_path / "b", recording=RecordingConfig(redact=("images",)))
    for run in (Run(write_run(tmp_path / "a", story())), redacted):
        with pytest.raises(ConfigError, match=r"has no pictures there.*--to html"):
            export(stretch_of(run), Target.VIDEO, tmp_path / "film.mp4")
    assert not (tmp_path / "film.mp4").exists()


def test_rerun_reads_what_was_written_for_it(stretch: Stretch, target: Path) -> None:
    """Rerun's own reader verifies the file, and finds each entity in it with all its rows."""
    file = target.with_suffix(".rrd")
    counts = export(stretch, Target.RRD, file)["entities"]
    command = [sys.executable, "-m", "rerun", "rrd"]
    subprocess.run([*command, "verify", file], check=True, timeout=_LIMIT_S, capture_output=True)
    printed = subprocess.run(
        [*command, "print", file], check=True, timeout=_LIMIT_S, capture_output=True, text=True
    ).stdout
    for entity, rows in counts.items():
        assert f"with {rows} rows" in printed
        assert f" - /{entity} - data columns" in printed
    assert {"words/goal", "words/plan", "camera/front", "action/x", "loop/late_ms"} <= set(counts)
    assert (counts["camera/front"], counts["camera/wrist"]) == (20, 1)
    assert counts["loop/ladder"] == counts["latent/gate"] == 1


def test_thoughts_are_lines_that_a_planner_can_think_again(run: Run, target: Path) -> None:
    """Goals in their order, each with its plans, when they were asked for and how long it took."""
    written = export(stretch_of(run, goal="g"), Target.THOUGHTS, target)
    assert (written["goals"], written["plans"]) == (1, 1)
    about, goal, plan = [json.loads(line) for line in target.read_text("utf-8").splitlines()]
    assert about == {"type": "run", "format": 1, "run": run.id}
    assert (goal["text"], goal["at_s"]) == ("tidy up", 0.0)
    assert (plan["asked_s"], plan["took_s"]) == (pytest.approx(0.1), pytest.approx(0.2))
    assert plan["thoughts"] == [{"field": "PLAN", "text": "left first"}]
    assert plan["subtasks"] == [{"text": "reach left", "state": "pending", "done_condition": ""}]
    (read,) = read_thoughts(target)
    assert (read.goal.text, len(read.answers)) == ("tidy up", 1)


def test_a_run_without_plans_has_no_thoughts(tmp_path: Path) -> None:
    """A flat agent thinks nothing, which is said."""
    events = [event for event in story() if event["kind"] != "planner.plan"]
    with pytest.raises(ConfigError, match="No planner made a plan"):
        export(stretch_of(Run(write_run(tmp_path / "a", events))), Target.THOUGHTS, tmp_path / "t")
