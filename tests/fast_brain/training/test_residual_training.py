"""Training the residual head: honest samples, the same numbers in the loop, and it learns."""

from pathlib import Path

import numpy as np
import pytest
import torch

from bridge.training_run import Schedule
from fast_brain.policies.flow_network import FlowNetwork, fingerprint
from fast_brain.stitchers.residual_head import load_head
from fast_brain.training.chunk_samples import ChunkSamples
from fast_brain.training.frames import Frames
from fast_brain.training.latents import NoLatents
from fast_brain.training.policy import write
from fast_brain.training.residual import (
    CorrectionSamples,
    ResidualNetwork,
    ResidualTraining,
    train_residual,
)

ROWS = 40


def _frames() -> Frames:
    """Two episodes of 40 rows, with a picture every other row; the action runs ahead evenly."""
    row = np.arange(2 * ROWS)
    state = np.zeros((len(row), 11), np.float32)
    state[:, 0] = 0.4 + (row % ROWS) * 0.001
    action = np.zeros((len(row), 5), np.float32)
    action[:, 0] = state[:, 0] + 0.01
    pictures = np.zeros((ROWS, 96, 96, 3), np.uint8)
    return Frames(
        {"front": pictures, "wrist": pictures},
        row[::2],
        state,
        action,
        np.zeros(len(row), np.int64),
        np.zeros(len(row), bool),
        row // ROWS,
        row % ROWS,
        ["open the drawer"] * len(row),
        ["open the drawer"] * len(row),
        np.zeros(len(row), np.int8),
        {0: "open it", 1: "open it"},
    )


def _corrections() -> CorrectionSamples:
    torch.manual_seed(0)
    frames = _frames()
    network = FlowNetwork().eval()
    return CorrectionSamples(frames, ChunkSamples(frames, NoLatents()), network)


def test_residual_is_what_the_demonstrator_did_less_the_base() -> None:
    """For every moment: base action and residual add up to the action of that row."""
    random = np.random.default_rng(0)
    corrections = _corrections()
    chunk = np.zeros((16, 5), np.float32)
    chunk[:, 0] = np.arange(16) * 0.1
    for _ in range(50):
        _, row, residual = corrections._moment(4, chunk, random)
        index, since = round(float(row[5]) * 16), round(float(row[9]) / 0.05)
        pose = 0.404 + since * 0.001
        base = row[0] + pose
        assert base == pytest.approx(0.404 + index * 0.1, abs=1e-5)
        assert base + residual[0] == pytest.approx(0.414 + index * 0.001, abs=1e-5)
        # The action is for at most two rows after what is seen, and never for long before.
        assert 0 <= round(float(row[8]) / 0.05) <= 2


def test_late_moments_stay_within_the_segment() -> None:
    """Near its end, what is seen and what is done are of the same segment."""
    random = np.random.default_rng(0)
    corrections = _corrections()
    for _ in range(30):
        _, row, _ = corrections._moment(ROWS - 4, np.zeros((16, 5), np.float32), random)
        assert round(float(row[9]) / 0.05) <= 3


def test_the_loops_head_is_the_trained_network(tmp_path: Path) -> None:
    """The numpy head gives what the torch network gives, to within rounding."""
    torch.manual_seed(1)
    corrections = _corrections()
    batch = corrections.draw(np.arange(4), np.random.default_rng(0))
    network = ResidualNetwork(batch.features.shape[1], batch.pictures.shape[1], batch.row.shape[1])
    network.measure([batch])
    torch.nn.init.normal_(network.leave.weight)
    from fast_brain.training import residual as training

    training._write(network, tmp_path, "base-1")
    head = load_head(tmp_path)
    w = head._weights
    wanted = (network(batch) * network.scale).detach().numpy()
    for number in range(4):
        row = (batch.row[number].numpy() - w["row_mean"]) / w["row_std"]
        hidden = row @ w["row"] + w["bias"] + batch.pictures[number].numpy() @ w["pictures"]
        hidden = hidden + head.begin(batch.features[number].numpy())
        first = hidden / (1 + np.exp(-hidden))
        second = first @ w["hidden"] + w["hidden_bias"]
        second = second / (1 + np.exp(-second))
        found = (second @ w["leave"] + w["leave_bias"]) * w["scale"]
        np.testing.assert_allclose(found, wanted[number], rtol=1e-3, atol=1e-5)
    assert head.fingerprint == "base-1"
    assert (head.cameras, head.proprioception) == (
        ("front", "wrist"),
        ("gripper_pose_in_base", "gripper_contact"),
    )


def test_an_untrained_head_corrects_nothing() -> None:
    """Training begins at the base policy's own actions."""
    batch = _corrections().draw(np.arange(3), np.random.default_rng(0))
    network = ResidualNetwork(batch.features.shape[1], batch.pictures.shape[1], batch.row.shape[1])
    assert not network(batch).detach().any()


def test_training_writes_a_small_head_of_its_base(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It learns, draws its curve, and the head names the policy; at most two megabytes."""
    torch.manual_seed(0)
    write(FlowNetwork(), tmp_path / "base")
    frames = _frames()
    monkeypatch.setattr("fast_brain.training.residual.load_frames", lambda *_: frames)
    losses: list[float] = []
    settings = ResidualTraining(
        sources=[],
        cache=tmp_path,
        latents=None,
        base=tmp_path / "base",
        run_folder=tmp_path / "run",
        out=tmp_path / "out",
        schedule=Schedule(steps=3, learning_rate=1e-2, checkpoint_every=1),
    )

    train_residual(settings, resume=True, on_step=lambda _, told: losses.append(told["loss"]))

    assert len(losses) == 3
    head = load_head(tmp_path / "out")
    assert head.fingerprint == fingerprint(tmp_path / "base" / "policy.safetensors")
    assert (tmp_path / "out" / "residual.safetensors").stat().st_size < 2_000_000
    assert (tmp_path / "run" / "curves.png").is_file()
