"""What the phases of the policy's training have in common: where to read and write, how long."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from bridge.training_run import Schedule, TrainingRun
from fast_brain.training.chunk_samples import ChunkSamples
from fast_brain.training.frames import load_frames
from fast_brain.training.latents import LatentLibrary, NoLatents


@dataclass(frozen=True, kw_only=True)
class PolicyTraining:
    """Where to read and write, and how long to learn.

    Without ``latents`` the policy is told everything by words: the first phase, which teaches the
    eyes and the hand while the planner is still being trained. ``start_from`` continues from there.

    A ``reader.pt`` beside the weights to start from goes on being trained (`reading.py`).

    ``prefix_share`` of the flows know their first 1 to ``longest_prefix_rows`` rows, and
    ``roll_share`` of the samples begin 1 to ``longest_roll_rows`` after their pictures.
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
    prefix_share: float = 0.3
    longest_prefix_rows: int = 8
    roll_share: float = 0.25
    longest_roll_rows: int = 8


def samples_of(
    settings: PolicyTraining, on_step: Callable[[int, dict[str, float]], None]
) -> ChunkSamples:
    """Read the demonstrations and the planner's latents of them, decoding pictures if need be."""
    frames = load_frames(settings.sources, settings.cache, lambda done, of: on_step(done - of, {}))
    latents = NoLatents() if settings.latents is None else LatentLibrary(settings.latents, frames)
    return ChunkSamples(
        frames,
        latents,
        roll_share=settings.roll_share,
        longest_roll_rows=settings.longest_roll_rows,
    )


def begin_run(settings: PolicyTraining, learner: nn.Module, *, resume: bool) -> TrainingRun:
    """Make the run of a phase; on request it goes on from its newest checkpoint."""
    optimizer = torch.optim.AdamW(learner.parameters(), weight_decay=0.01, betas=(0.9, 0.95))
    run = TrainingRun(settings.run_folder, learner, optimizer, settings.schedule)
    if resume:
        run.resume()
    return run
