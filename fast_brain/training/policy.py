"""Trains the policy: flow matching on chunks, told what to do by latents or by words.

Every sample is told in one of three ways, so that one network serves every rung of the ladder:
planner latents of random age through gated memory, the subtask's words, or (flat) the goal's words.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_model, save_model

from bridge.training_run import Schedule, TrainingRun, draw_curves
from fast_brain.policies.flow_input import proprioception_features, to_pixels
from fast_brain.policies.flow_network import (
    ACTION_WIDTH,
    COGNITIVE_TOKENS,
    HORIZON,
    LATENT_WIDTH,
    PERCEPTUAL_TOKENS,
    FlowNetwork,
    PolicyInput,
    bucket_words,
)
from fast_brain.training.frames import Frames, load_frames
from fast_brain.training.latents import LatentLibrary, NoLatents

_BATCH = 64
_FLOW_DRAWS = 8
_HELD_OUT_SHARE = 0.05
_VALIDATION_SAMPLES = 512
_SUBTASK_WORDS_SHARE, _GOAL_WORDS_SHARE = 0.15, 0.2
_NOISE_STD = (0.004, 0.004, 0.004, 0.03, 0.02, 0.05)


@dataclass(frozen=True, kw_only=True)
class PolicyTraining:
    """Where to read and write, and how long to learn.

    Without ``latents`` the policy is told everything by words: the first phase, which teaches the
    eyes and the hand while the planner is still being trained. ``start_from`` continues from there.
    """

    sources: list[Path]
    cache: Path
    latents: Path | None
    start_from: Path | None
    run_folder: Path
    out: Path
    schedule: Schedule
    seed: int = 0
    threads: int = 1


class ChunkSamples:
    """Deals out batches of what the policy would know, and the chunk the demonstrator did."""

    def __init__(self, frames: Frames, latents: LatentLibrary | NoLatents) -> None:
        self._frames = frames
        self._latents = latents
        self._last_row = _last_rows_of_segments(frames)
        self._subtask_words = {text: bucket_words(text) for text in set(frames.subtask)}
        self._goal_words = {number: bucket_words(text) for number, text in frames.goal_text.items()}
        episodes = np.unique(frames.episode)
        held_out_from = episodes[int(len(episodes) * (1 - _HELD_OUT_SHARE))]
        is_held_out = frames.episode[frames.row] >= held_out_from
        self.training = np.flatnonzero(~is_held_out)
        self.validation = np.flatnonzero(is_held_out)

    def batches(self, random: np.random.Generator) -> Iterator[tuple[PolicyInput, torch.Tensor]]:
        """Yield batches without end."""
        size = min(_BATCH, len(self.training))
        while True:
            order = random.permutation(self.training)
            for start in range(0, len(order) - size + 1, size):
                yield self.collate(order[start : start + size], random, is_training=True)

    def chunk(self, rows: np.ndarray) -> np.ndarray:
        """Return targets relative to the gripper ``[B, H, A]``; a segment's last one repeats."""
        ahead = np.minimum(rows[:, None] + np.arange(HORIZON), self._last_row[rows][:, None])
        chunk = self._frames.action[ahead].copy()
        chunk[..., :4] -= self._frames.state[rows][:, None, :4]
        return chunk

    def collate(
        self, pictures: np.ndarray, random: np.random.Generator, *, is_training: bool
    ) -> tuple[PolicyInput, torch.Tensor]:
        """Return inputs and chunks for the given picture numbers."""
        frames = self._frames
        rows = frames.row[pictures]
        state = frames.state[rows].copy()
        chunk = self.chunk(rows)
        if is_training:
            noise = random.normal(0, _NOISE_STD, (len(rows), 6)).astype(np.float32)
            state[:, :6] += noise
            chunk[..., :4] -= noise[:, None, :4]
        front = self._look("front", pictures, random, is_training=is_training)
        wrist = self._look("wrist", pictures, random, is_training=is_training)
        told = self._latents.draw(rows, random)
        draw = random.random(len(rows))
        has_latent = told.is_found & (draw > _SUBTASK_WORDS_SHARE + _GOAL_WORDS_SHARE)
        # Words of the whole goal leave open how long to wait, so hovering is not asked of them.
        by_goal = (draw < _GOAL_WORDS_SHARE) & ~frames.is_hovering[rows]
        words = [
            self._goal_words[int(frames.episode[row])]
            if goal
            else self._subtask_words[frames.subtask[row]]
            for row, goal in zip(rows, by_goal, strict=True)
        ]
        given = PolicyInput(
            front,
            wrist,
            torch.from_numpy(proprioception_features(state)),
            torch.tensor(words),
            told.perceptual,
            told.cognitive,
            told.elapsed_s,
            told.is_kept,
            torch.from_numpy(has_latent),
        )
        return given, torch.from_numpy(chunk)

    def _look(
        self,
        camera: str,
        pictures: np.ndarray,
        random: np.random.Generator,
        *,
        is_training: bool,
    ) -> torch.Tensor:
        order = np.argsort(pictures)
        images = np.empty((len(pictures), 96, 96, 3), np.uint8)
        images[order] = self._frames.images[camera][pictures[order]]
        pixels = to_pixels(images)
        if is_training:
            gain = torch.from_numpy(random.uniform(0.85, 1.15, (len(pixels), 1, 1, 1))).float()
            pixels = ((pixels + 1) * gain - 1 + torch.randn_like(pixels) * 0.02).clamp(-1, 1)
        return pixels


def _last_rows_of_segments(frames: Frames) -> np.ndarray:
    key = frames.episode.astype(np.int64) * 1000 + frames.segment
    ends = np.append(np.flatnonzero(np.diff(key)), len(key) - 1)
    return ends[np.searchsorted(ends, np.arange(len(key)))]


def train_policy(
    settings: PolicyTraining, *, resume: bool, on_step: Callable[[int, dict[str, float]], None]
) -> Path:
    """Train and write ``policy.safetensors``; returns the folder."""
    torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    frames = load_frames(settings.sources, settings.cache, lambda done, of: on_step(done - of, {}))
    latents = NoLatents() if settings.latents is None else LatentLibrary(settings.latents, frames)
    samples = ChunkSamples(frames, latents)
    network = FlowNetwork()
    _measure_chunks(network, samples)
    if settings.start_from is not None:
        load_model(network, str(settings.start_from / "policy.safetensors"))
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=0.01, betas=(0.9, 0.95))
    run = TrainingRun(settings.run_folder, network, optimizer, settings.schedule)
    if resume:
        run.resume()
    random = np.random.default_rng([settings.seed, run.step])
    average = _Average(network)
    batches = samples.batches(random)
    for step in run.steps():
        given, chunk = next(batches)
        normal = (chunk - network.action_mean) / network.action_std
        loss = network.loss(given, normal, _FLOW_DRAWS)
        run.learn(loss)
        average.take()
        on_step(step, {"loss": float(loss.detach())})
        if step % 50 == 0:
            run.note({"train loss": float(loss.detach())})
        if (step + 1) % settings.schedule.checkpoint_every == 0:
            run.note(_validate(average.network, samples))
            write(average.network, settings.run_folder / "newest")
    write(average.network, settings.out)
    draw_curves(settings.run_folder, "policy")
    return settings.out


class _Average:
    """An exponential average of the weights, which samples better than the newest ones."""

    def __init__(self, network: FlowNetwork) -> None:
        self._learner = network
        self.network = FlowNetwork()
        self.network.load_state_dict(network.state_dict())

    @torch.no_grad()
    def take(self, keep: float = 0.995) -> None:
        for mean, new in zip(
            self.network.state_dict().values(), self._learner.state_dict().values(), strict=True
        ):
            mean.lerp_(new, 1 - keep)


def _measure_chunks(network: FlowNetwork, samples: ChunkSamples) -> None:
    random = np.random.default_rng(0)
    rows = samples._frames.row[random.permutation(samples.training)[:20000]]  # noqa: SLF001
    chunks = torch.from_numpy(samples.chunk(rows))
    network.action_mean.copy_(chunks.mean(0))
    network.action_std.copy_(chunks.std(0).clamp_min(0.01))


@torch.no_grad()
def _validate(network: FlowNetwork, samples: ChunkSamples) -> dict[str, float]:
    random = np.random.default_rng(0)
    chosen = random.permutation(samples.validation)[:_VALIDATION_SAMPLES]
    torch_state = torch.random.get_rng_state()
    torch.manual_seed(0)
    losses, errors = [], []
    for start in range(0, len(chosen), _BATCH):
        given, chunk = samples.collate(chosen[start : start + _BATCH], random, is_training=False)
        normal = (chunk - network.action_mean) / network.action_std
        losses.append(float(network.loss(given, normal, 4)))
        noise = torch.randn(len(chunk), HORIZON, ACTION_WIDTH)
        guess, _ = network.sample(given, 8, noise)
        errors.append(float((guess - chunk)[..., :3].norm(dim=-1).mean()))
    torch.random.set_rng_state(torch_state)
    return {
        "held out loss": float(np.mean(losses)),
        "held out position error m": float(np.mean(errors)),
    }


def write(network: FlowNetwork, folder: Path) -> None:
    """Write the weights and what they expect."""
    folder.mkdir(parents=True, exist_ok=True)
    save_model(network, str(folder / "policy.safetensors"))
    spec = {
        "horizon": HORIZON,
        "perceptual_tokens": PERCEPTUAL_TOKENS,
        "cognitive_tokens": COGNITIVE_TOKENS,
        "latent_width": LATENT_WIDTH,
    }
    (folder / "policy.json").write_text(json.dumps(spec, indent=1) + "\n")
