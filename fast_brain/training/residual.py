"""Trains A2C2's residual head on top of a policy that stays as it is.

A sample: what the policy saw and the chunk it made of that, a later moment within the chunk, and
what the demonstrator did then. The head learns the difference (behaviour cloning of the residual,
arXiv 2509.23224). Late pictures are averaged to a few places, as in the control loop.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from bridge.training_run import Schedule, TrainingRun, draw_curves
from fast_brain.policies.flow_input import CONTACT, POSE
from fast_brain.policies.flow_network import (
    ACTION_WIDTH,
    HORIZON,
    STEP_S,
    FlowNetwork,
    fingerprint,
    load_weights,
)
from fast_brain.policies.gripper_action import gripper_action_spec
from fast_brain.stitchers.residual_head import (
    PLACE_WIDTH,
    RowInput,
    pool_pictures,
    row_features,
    save_head,
)
from fast_brain.training.chunk_samples import ChunkSamples
from fast_brain.training.frames import CAMERAS, FRAME_STRIDE, Frames, load_frames
from fast_brain.training.latents import LatentLibrary, NoLatents

_WIDTH = 192
_STATE_WIDTH = 6
_BATCH = 32
_MOMENTS = 12
_FLOW_STEPS, _NOISE_SCALE = 6, 0.5
_MEASURED_BATCHES, _VALIDATION_BATCHES = 20, 8


@dataclass(frozen=True, kw_only=True)
class ResidualTraining:
    """Where to read and write, and how long to learn; `base` is the folder of the policy."""

    sources: list[Path]
    cache: Path
    latents: Path | None
    base: Path
    run_folder: Path
    out: Path
    schedule: Schedule
    seed: int = 0
    threads: int = 1


class Corrections(NamedTuple):
    """A batch of late moments: what the head is told, and what it should have added [N, A]."""

    features: torch.Tensor
    pictures: torch.Tensor
    row: torch.Tensor
    residual: torch.Tensor


class ResidualNetwork(nn.Module):
    """The head of `fast_brain.stitchers.residual_head`, to be trained."""

    features_mean: torch.Tensor
    features_std: torch.Tensor
    row_mean: torch.Tensor
    row_std: torch.Tensor
    scale: torch.Tensor

    def __init__(self, features: int, pictures: int, row: int) -> None:
        super().__init__()
        self.base_features = nn.Linear(features, _WIDTH, bias=False)
        self.pictures = nn.Linear(pictures, _WIDTH, bias=False)
        self.row = nn.Linear(row, _WIDTH)
        self.hidden = nn.Linear(_WIDTH, _WIDTH)
        self.leave = nn.Linear(_WIDTH, ACTION_WIDTH)
        # An untrained head corrects nothing.
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)
        for name, width in (("features", features), ("row", row)):
            self.register_buffer(f"{name}_mean", torch.zeros(width))
            self.register_buffer(f"{name}_std", torch.ones(width))
        self.register_buffer("scale", torch.ones(ACTION_WIDTH))

    def forward(self, given: Corrections) -> torch.Tensor:
        """Return the correction ``[N, A]`` in units of `scale`."""
        features = (given.features - self.features_mean) / self.features_std
        row = (given.row - self.row_mean) / self.row_std
        first = functional.silu(
            self.row(row) + self.base_features(features) + self.pictures(given.pictures)
        )
        return self.leave(functional.silu(self.hidden(first)))

    def measure(self, batches: list[Corrections]) -> None:
        """Take means and spreads from examples."""
        for name in ("features", "row"):
            values = torch.cat([getattr(batch, name) for batch in batches])
            getattr(self, f"{name}_mean").copy_(values.mean(0))
            getattr(self, f"{name}_std").copy_(values.std(0).clamp_min(1e-2))
        residual = torch.cat([batch.residual for batch in batches])
        self.scale.copy_(residual.std(0).clamp_min(1e-3))

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the weights as the control loop's head reads them."""
        action = gripper_action_spec()
        weights = {
            "base_features": self.base_features.weight.T,
            "pictures": self.pictures.weight.T,
            "row": self.row.weight.T,
            "bias": self.row.bias,
            "hidden": self.hidden.weight.T,
            "hidden_bias": self.hidden.bias,
            "leave": self.leave.weight.T,
            "leave_bias": self.leave.bias,
            "features_mean": self.features_mean,
            "features_std": self.features_std,
            "row_mean": self.row_mean,
            "row_std": self.row_std,
            "scale": self.scale,
        }
        arrays = {name: value.detach().numpy() for name, value in weights.items()}
        return arrays | {"low": np.array(action.low), "high": np.array(action.high)}


class CorrectionSamples:
    """Deals out late moments of chunks that the base policy makes."""

    def __init__(self, frames: Frames, samples: ChunkSamples, base: FlowNetwork) -> None:
        self._frames = frames
        self._samples = samples
        self._base = base
        # The picture of each row that has one, -1 elsewhere.
        self._picture = np.full(len(frames.action), -1, np.int64)
        self._picture[frames.row] = np.arange(len(frames.row))

    @torch.no_grad()
    def draw(self, pictures: np.ndarray, random: np.random.Generator) -> Corrections:
        """Return `_MOMENTS` late moments of a chunk made from each of these pictures."""
        given, _ = self._samples.collate(pictures, random, is_training=False)
        condition, _ = self._base.condition(given)
        noise = torch.randn(len(pictures), HORIZON, ACTION_WIDTH) * _NOISE_SCALE
        rows = self._base.flow(condition, _FLOW_STEPS, noise)
        chunks = (rows * self._base.action_std + self._base.action_mean).numpy()
        moments = [
            self._moment(int(start), chunk, random)
            for start, chunk in zip(self._frames.row[pictures], chunks, strict=True)
            for _ in range(_MOMENTS)
        ]
        pooled, row, residual = (np.stack(part) for part in zip(*moments, strict=True))
        return Corrections(
            condition.repeat_interleave(_MOMENTS, 0),
            torch.from_numpy(pooled),
            torch.from_numpy(row),
            torch.from_numpy(residual),
        )

    def _moment(
        self, start: int, relative: np.ndarray, random: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """One late moment: pooled pictures, the row's features, and the residual."""
        frames = self._frames
        chunk = relative.copy()
        chunk[:, :4] += frames.state[start, :4]
        last = self._samples.last_row(start)
        # The newest picture is up to two rows older than the action: the observation is late too.
        seen = start + FRAME_STRIDE * int(random.integers(0, HORIZON // FRAME_STRIDE))
        while seen > last or self._picture[seen] < 0:
            seen -= FRAME_STRIDE
        index = min(max(seen - start + int(random.integers(-1, 2)), 0), HORIZON - 1)
        state = frames.state[seen, :_STATE_WIDTH]
        given = RowInput(
            action=chunk[index],
            row=float(index),
            lead_s=(start + index + 1 - seen) * STEP_S,
            since_s=(seen - start) * STEP_S,
        )
        images = [np.asarray(frames.images[camera][self._picture[seen]]) for camera in CAMERAS]
        residual = frames.action[min(start + index, last)] - chunk[index]
        return (
            pool_pictures(images),
            row_features(given, state, HORIZON),
            residual.astype(np.float32),
        )


def train_residual(
    settings: ResidualTraining, *, resume: bool, on_step: Callable[[int, dict[str, float]], None]
) -> Path:
    """Train and write ``residual.safetensors``; returns the folder.

    Raises:
        ContractError: The base policy's weights are of another network.
    """
    torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    frames = load_frames(settings.sources, settings.cache, lambda done, of: on_step(done - of, {}))
    latents = NoLatents() if settings.latents is None else LatentLibrary(settings.latents, frames)
    samples = ChunkSamples(frames, latents)
    weights = settings.base / "policy.safetensors"
    base = FlowNetwork()
    load_weights(base, weights)
    corrections = CorrectionSamples(frames, samples, base.eval())
    random = np.random.default_rng([settings.seed, 1])
    held_out = _some(corrections, samples.validation, random, _VALIDATION_BATCHES)
    network = _new_network(_some(corrections, samples.training, random, _MEASURED_BATCHES))
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=0.01)
    run = TrainingRun(settings.run_folder, network, optimizer, settings.schedule)
    if resume:
        run.resume()
    random = np.random.default_rng([settings.seed, 2, run.step])
    for step in run.steps():
        batch = corrections.draw(random.choice(samples.training, _BATCH), random)
        # Squared up to one spread: a few moments, as when fingers close, are far off.
        loss = functional.huber_loss(network(batch), batch.residual / network.scale)
        run.learn(loss)
        on_step(step, {"loss": float(loss.detach())})
        if (step + 1) % settings.schedule.checkpoint_every == 0:
            run.note({"train loss": float(loss.detach())} | _judge(network, held_out))
    _write(network, settings.out, fingerprint(weights))
    draw_curves(settings.run_folder, "residual head")
    return settings.out


def _some(
    corrections: CorrectionSamples, pictures: np.ndarray, random: np.random.Generator, count: int
) -> list[Corrections]:
    return [corrections.draw(random.choice(pictures, _BATCH), random) for _ in range(count)]


def _new_network(examples: list[Corrections]) -> ResidualNetwork:
    first = examples[0]
    network = ResidualNetwork(
        first.features.shape[1], first.pictures.shape[1], ACTION_WIDTH + PLACE_WIDTH + _STATE_WIDTH
    )
    network.measure(examples)
    return network


@torch.no_grad()
def _judge(network: ResidualNetwork, held_out: list[Corrections]) -> dict[str, float]:
    """Return how far actions are from the demonstrator's [m], as they are and corrected."""
    residual = torch.cat([batch.residual for batch in held_out])
    guess = torch.cat([network(batch) for batch in held_out]) * network.scale
    return {
        "held out position error of the base m": _length_m(residual),
        "held out position error corrected m": _length_m(residual - guess),
    }


def _length_m(residual: torch.Tensor) -> float:
    return float(residual[:, :3].norm(dim=-1).mean())


def _write(network: ResidualNetwork, folder: Path, base_fingerprint: str) -> None:
    names = {
        "base_fingerprint": base_fingerprint,
        "cameras": ",".join(CAMERAS),
        "proprioception": f"{POSE},{CONTACT}",
        "horizon": str(HORIZON),
    }
    save_head(folder, network.arrays(), names)
