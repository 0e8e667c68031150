"""Trains the policy: flow matching on chunks, told what to do by latents or by words.

Every sample is told in one of three ways, so that one network serves every rung of the ladder:
planner latents of random age through gated memory, the subtask's words, or (flat) the goal's words.

Some samples are of a late chunk, so that the same network serves every way of stitching: some know
their first rows already (training-time RTC, arXiv 2512.05964), some begin ahead of their pictures,
where the arm will be by then (VLASH, arXiv 2512.01031).
"""

import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import torch
from torch import nn

from bridge.training_run import TrainingRun, draw_curves
from fast_brain.policies.flow_network import (
    COGNITIVE_TOKENS,
    HORIZON,
    LATENT_WIDTH,
    PERCEPTUAL_TOKENS,
    FlowNetwork,
    PolicyInput,
    load_weights,
    save_weights,
)
from fast_brain.training.chunk_samples import ChunkSamples, Question
from fast_brain.training.policy_figures import held_out_figures
from fast_brain.training.policy_settings import PolicyTraining, begin_run, samples_of
from fast_brain.training.read_ahead import read_ahead
from fast_brain.training.reading import (
    READER_FILE,
    lesson_loss,
    reading_batches,
    reading_figures,
)
from fast_brain.training.skill_reader import SkillReader

_FLOW_DRAWS = 8


def train_policy(
    settings: PolicyTraining, *, resume: bool, on_step: Callable[[int, dict[str, float]], None]
) -> Path:
    """Train and write ``policy.safetensors``; returns the folder."""
    torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    samples = samples_of(settings, on_step)
    network = FlowNetwork()
    _measure_chunks(network, samples)
    if settings.start_from is not None:
        load_weights(network, settings.start_from / "policy.safetensors")
    reader = SkillReader(len(samples.skills))
    if settings.start_from is not None and (settings.start_from / READER_FILE).is_file():
        state = torch.load(settings.start_from / READER_FILE, weights_only=True)
        reader.load_state_dict(state)
    learner = _Learner(network, reader)
    run = begin_run(settings, learner, resume=resume)
    average = _Average(network)
    _learn(run, learner, average, samples, settings, on_step)
    write(average.network, settings.out, settings)
    draw_curves(settings.run_folder, "policy")
    return settings.out


def _learn(  # noqa: PLR0917  # One caller, which names the same things in the same order.
    run: TrainingRun,
    learner: "_Learner",
    average: "_Average",
    samples: ChunkSamples,
    settings: PolicyTraining,
    on_step: Callable[[int, dict[str, float]], None],
) -> None:
    random = np.random.default_rng([settings.seed, run.step])
    lessons = _lessons(settings, samples, np.random.default_rng([settings.seed, run.step, 1]))
    # Held-out samples are drawn meanwhile: of other episodes, by other random numbers.
    # Both are made by one thread, which alone draws from the demonstrations' latents.
    dealt = zip(samples.batches(random), lessons, strict=False)
    with closing(read_ahead(dealt)) as ahead:
        for step in run.steps():
            (given, chunk, skill), lesson = next(ahead)
            prefix_rows = _draw_prefixes(settings, _FLOW_DRAWS * len(chunk))
            loss, figures = learner(given, chunk, skill, prefix_rows)
            if lesson is not None:
                loss = loss + learner.lesson(lesson)
            run.learn(loss)
            average.take()
            on_step(step, figures)
            if step % 50 == 0:
                run.note({f"train {name}": value for name, value in figures.items()})
            if (step + 1) % settings.schedule.checkpoint_every == 0:
                run.note(
                    held_out_figures(average.network, samples)
                    | reading_figures(learner.network, learner.reader, samples)
                )
                write(average.network, settings.run_folder / "newest", settings)


def _lessons(
    settings: PolicyTraining, samples: ChunkSamples, random: np.random.Generator
) -> Iterator[Question | None]:
    """Go on with the lesson of `reading.py`, where there is one, or chunks would wear it off."""
    if settings.latents is not None and len(samples.remembered(samples.training)):
        return reading_batches(samples, random)
    return itertools.repeat(None)


class _Learner(nn.Module):
    """The network with the reader that it learns beside."""

    def __init__(self, network: FlowNetwork, reader: SkillReader) -> None:
        super().__init__()
        self.network = network
        self.reader = reader

    def forward(
        self,
        given: PolicyInput,
        chunk: torch.Tensor,
        skill: torch.Tensor,
        prefix_rows: torch.Tensor | None,
    ) -> tuple[torch.Tensor, dict[str, float]]:
        """Return the loss and the figures of one batch."""
        network = self.network
        normal = (chunk - network.action_mean) / network.action_std
        condition, _ = network.condition(given)
        flow = network.flow_loss(condition, normal, _FLOW_DRAWS, prefix_rows)
        reading, right = self.reader.loss(network.told(condition), skill)
        return flow + reading, {"loss": float(flow.detach()), "skill read right": right}

    def lesson(self, question: Question) -> torch.Tensor:
        """Return the loss of reading a batch that sees nothing."""
        return lesson_loss(self.network, self.reader, question)[0]


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


def _draw_prefixes(settings: PolicyTraining, count: int) -> torch.Tensor | None:
    """Draw how many rows of each flow are known ``[count]``; None where no flow is to know any."""
    if not (settings.prefix_share and settings.longest_prefix_rows):
        return None
    rows = torch.randint(1, settings.longest_prefix_rows + 1, (count,))
    return rows * (torch.rand(count) < settings.prefix_share)


def write(network: FlowNetwork, folder: Path, settings: PolicyTraining | None = None) -> None:
    """Write the weights and what they expect; ``settings`` say for which delays they were made."""
    folder.mkdir(parents=True, exist_ok=True)
    save_weights(network, folder / "policy.safetensors")
    spec = {
        "horizon": HORIZON,
        "perceptual_tokens": PERCEPTUAL_TOKENS,
        "cognitive_tokens": COGNITIVE_TOKENS,
        "latent_width": LATENT_WIDTH,
        "longest_prefix_rows": 0,
        "longest_roll_rows": 0,
    }
    if settings is not None and settings.prefix_share:
        spec["longest_prefix_rows"] = settings.longest_prefix_rows
    if settings is not None and settings.roll_share:
        spec["longest_roll_rows"] = settings.longest_roll_rows
    (folder / "policy.json").write_text(json.dumps(spec, indent=1) + "\n")
