"""Training the policy: it learns, it survives interruption, and it deals out honest latents."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from bridge.training_run import Schedule
from fast_brain.training.chunk_samples import ChunkSamples
from fast_brain.training.frames import load_frames
from fast_brain.training.latents import LATE_MAX_AGE_S, LatentLibrary, NoLatents
from fast_brain.training.policy import train_policy
from fast_brain.training.policy_settings import PolicyTraining

FRAMES = 60


def _png(level: int) -> dict[str, Any]:
    buffer = io.BytesIO()
    Image.fromarray(np.full((96, 96, 3), level, np.uint8)).save(buffer, format="PNG")
    return {"bytes": buffer.getvalue(), "path": None}


def _row(frame: int) -> dict[str, Any]:
    return {
        "observation.images.front": _png(frame),
        "observation.images.wrist": _png(frame),
        "observation.state": [0.4, 0.0, 0.2, 0.0, 0.0, 0.0, *[0.0] * 5],
        "action": [0.4 + frame * 0.001, 0.0, 0.2, 0.0, 1.0],
        "subtask": "open the drawer" if frame < 40 else "close the drawer",
        "segment_index": int(frame >= 40),
        "is_hovering": 30 <= frame < 40,
    }


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three small episodes; the last one got stuck in its second segment."""
    root = tmp_path_factory.mktemp("dataset")
    folder = root / "data" / "chunk-000"
    folder.mkdir(parents=True)
    for episode in range(3):
        info = {"goal_text": "open it", "stuck_segment": 1 if episode == 2 else None}
        table = pa.Table.from_pylist([_row(frame) for frame in range(FRAMES)])
        table = table.replace_schema_metadata({"tandem_episode": json.dumps(info)})
        pq.write_table(table, folder / f"file-{episode:03d}.parquet")
    return root


def _quiet(_step: int, _figures: object) -> None:
    """Show no progress."""


def test_segment_that_got_stuck_is_left_out(dataset: Path, tmp_path: Path) -> None:
    """Nobody learns from the segment in which the demonstrator got stuck."""
    frames = load_frames([dataset], tmp_path / "cache", _quiet)

    assert (frames.episode == 2).sum() == 40
    assert len(frames.action) == 60 + 60 + 40


def test_chunk_never_crosses_into_the_next_subtask(dataset: Path, tmp_path: Path) -> None:
    """Past the end of a segment the last target repeats: the next subtask is not this one's."""
    frames = load_frames([dataset], tmp_path / "cache", _quiet)

    chunk = ChunkSamples(frames, NoLatents()).chunk(np.array([36]))[0]

    assert np.allclose(chunk[:4, 0], [0.036, 0.037, 0.038, 0.039], atol=1e-6)
    assert np.allclose(chunk[4:, 0], 0.039, atol=1e-6)


def test_rolled_sample_begins_where_the_arm_will_be(dataset: Path, tmp_path: Path) -> None:
    """Rolled forward, pose and chunk are of later and the fingers of now, within the segment."""
    frames = load_frames([dataset], tmp_path / "cache", _quiet)
    frames.state[:60, 0] = 0.4 + np.arange(60) * 0.0005
    frames.state[:60, 4] = np.arange(60) / 100
    samples = ChunkSamples(frames, NoLatents())

    state, chunk = samples.rolled(np.array([10, 38]), np.array([4, 4]))

    assert np.allclose(state[:, 0], [0.4 + 14 * 0.0005, 0.4 + 39 * 0.0005], atol=1e-6)
    assert np.allclose(state[:, 4], [0.10, 0.38], atol=1e-6)
    assert np.allclose(chunk[0, :2, 0], [0.014 - 14 * 0.0005, 0.015 - 14 * 0.0005], atol=1e-6)
    assert np.allclose(chunk[1, :, 0], 0.039 - 39 * 0.0005, atol=1e-6)


def test_samples_are_late_in_training_only(dataset: Path, tmp_path: Path) -> None:
    """Held-out samples begin at their pictures unless asked otherwise; others as often as told."""
    frames = load_frames([dataset], tmp_path / "cache", _quiet)
    samples = ChunkSamples(frames, NoLatents(), roll_share=0.5, longest_roll_rows=8)
    random = np.random.default_rng(0)

    drawn = samples._draw_ahead(2000, random, is_training=True)

    assert 0.45 < (drawn > 0).mean() < 0.55
    assert set(drawn) == set(range(9))
    assert not samples._draw_ahead(100, random, is_training=False).any()


def _library(dataset: Path, tmp_path: Path) -> tuple[LatentLibrary, Any]:
    frames = load_frames([dataset], tmp_path / "cache", _quiet)
    frame = np.arange(0, FRAMES, 5)
    path = tmp_path / "latents.npz"
    np.savez(
        path,
        perceptual=np.ones((len(frame), 16, 192), np.float16),
        cognitive=np.ones((len(frame), 1, 192), np.float16),
        episode=np.zeros(len(frame), int),
        frame=frame,
        subtask=np.where(frame < 35, "open the drawer", "close the drawer"),
    )
    return LatentLibrary(path, frames), frames


def test_current_latent_speaks_for_the_subtask_under_way(dataset: Path, tmp_path: Path) -> None:
    """The current latent decided on the subtask being done, and is not older than it may be."""
    library, _ = _library(dataset, tmp_path)
    rows = np.array([20, 38, 45, 59])

    told = library.draw(rows, np.random.default_rng(0))

    assert told.is_found.all()
    assert (told.elapsed_s[:, -1] <= LATE_MAX_AGE_S).all()
    # Row 38 still hovers after opening: only latents from before frame 35 still say so.
    assert told.elapsed_s[1, -1] >= (38 - 34) / 20


def test_memory_is_never_from_the_future(dataset: Path, tmp_path: Path) -> None:
    """No remembered latent is newer than the frame it is remembered in."""
    library, _ = _library(dataset, tmp_path)

    told = library.draw(np.arange(0, 60, 3), np.random.default_rng(1))

    assert (told.elapsed_s >= 0).all()
    assert (told.elapsed_s[:, :-1] >= told.elapsed_s[:, 1:])[told.is_kept[:, :-1]].all()


def test_training_resumes_where_it_was_interrupted(dataset: Path, tmp_path: Path) -> None:
    """An interrupted run goes on from its checkpoint and ends with weights and a curve."""
    seen: list[int] = []

    def settings(steps: int) -> PolicyTraining:
        return PolicyTraining(
            sources=[dataset],
            cache=tmp_path / "cache",
            latents=None,
            start_from=None,
            run_folder=tmp_path / "run",
            out=tmp_path / "out",
            schedule=Schedule(steps=steps, learning_rate=1e-3, checkpoint_every=1),
        )

    train_policy(settings(1), resume=True, on_step=lambda step, _: seen.append(step))
    train_policy(settings(2), resume=True, on_step=lambda step, _: seen.append(step))

    assert [step for step in seen if step >= 0] == [0, 1]
    assert (tmp_path / "out" / "policy.safetensors").is_file()
    assert (tmp_path / "run" / "curves.png").is_file()


def test_weights_say_for_which_delays_they_were_trained(dataset: Path, tmp_path: Path) -> None:
    """The description beside the weights names the longest prefix and roll; without training, 0."""
    settings = PolicyTraining(
        sources=[dataset],
        cache=tmp_path / "cache",
        latents=None,
        start_from=None,
        run_folder=tmp_path / "run",
        out=tmp_path / "out",
        schedule=Schedule(steps=1, learning_rate=1e-3),
        longest_prefix_rows=5,
        roll_share=0.0,
    )

    train_policy(settings, resume=False, on_step=_quiet)

    described = json.loads((tmp_path / "out" / "policy.json").read_text())
    assert (described["longest_prefix_rows"], described["longest_roll_rows"]) == (5, 0)
