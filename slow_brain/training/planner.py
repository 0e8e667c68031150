"""Trains the planner: next-token loss on the thought, and facts read from the act token.

The second loss is what makes the act token's hidden state worth handing over: next-token loss alone
asks of it only that the text ends here (compare LCB, arXiv 2405.04798, and OpenHelix, 2505.03912,
which train their act token through the policy).
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from transformers import Idefics3ForConditionalGeneration, Idefics3Processor

from bridge.training_run import Schedule, TrainingRun, draw_curves
from slow_brain import checkpoint
from slow_brain.training.examples import IGNORED, Batch, Exercises, all_texts

# Number of classes of each entry of an exercise's `facts`.
FACT_CLASSES = (3, 3, 2, 2, 2, 2, 2, 10)
_FACTS_WEIGHT = 0.3
_DONE, _SUBTASK = 6, 7
_PICTURES, _QUESTIONS = 16, 2
_VALIDATION_PICTURES = 192


@dataclass(frozen=True, kw_only=True)
class PlannerTraining:
    """Where to read and write, and how long to learn."""

    examples: Path
    run_folder: Path
    out: Path
    schedule: Schedule
    held_out_from_episode: int
    seed: int = 0
    threads: int = 1


class FactReader(nn.Module):
    """Reads the scene's facts from the act token; used in training only."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = nn.ModuleList(nn.Linear(width, classes) for classes in FACT_CLASSES)

    def forward(self, act: torch.Tensor) -> list[torch.Tensor]:
        """Return one row of logits ``[B, classes]`` a fact."""
        return [head(act) for head in self.heads]


class PlannerLearner(nn.Module):
    """The model with its fact reader."""

    def __init__(self, model: Idefics3ForConditionalGeneration) -> None:
        super().__init__()
        self.model = model
        self.facts = FactReader(checkpoint.LATENT_WIDTH)

    def forward(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]:
        """Return token logits ``[B, T, V]``, last hidden states ``[B, T, D]`` and fact logits."""
        encoded = self.model.model.get_image_features(batch.pixels, return_dict=True)
        # Several questions share one picture, which is looked at once.
        encoded.pooler_output = encoded.pooler_output[batch.picture]
        hidden = self.model.model(
            input_ids=batch.ids,
            attention_mask=batch.mask,
            mm_encoder_outputs={"image": encoded},
            use_cache=False,
        ).last_hidden_state
        rows = torch.arange(len(batch.ids))
        return self.model.lm_head(hidden), hidden, self.facts(hidden[rows, batch.act_index])


def losses(learner: PlannerLearner, batch: Batch) -> tuple[torch.Tensor, dict[str, float]]:
    """Return the loss and the figures of one batch."""
    logits, _, facts = learner(batch)
    targets = batch.labels[:, 1:]
    text = functional.cross_entropy(
        logits[:, :-1].flatten(0, 1), targets.flatten(), ignore_index=IGNORED
    )
    reading = sum(
        functional.cross_entropy(each, batch.facts[:, number]) for number, each in enumerate(facts)
    )
    assert isinstance(reading, torch.Tensor)
    right = (logits[:, :-1].argmax(-1) == targets) | (targets == IGNORED)
    figures = {
        "text loss": float(text.detach()),
        "facts loss": float(reading.detach()),
        "whole answer right": float(right.all(-1).float().mean()),
        "subtask read right": float(
            (facts[_SUBTASK].argmax(-1) == batch.facts[:, _SUBTASK]).float().mean()
        ),
        "done read right": float((facts[_DONE].argmax(-1) == batch.facts[:, _DONE]).float().mean()),
    }
    return text + _FACTS_WEIGHT * reading, figures


def train_planner(
    settings: PlannerTraining, *, resume: bool, on_step: Callable[[int, dict[str, float]], None]
) -> Path:
    """Train from the exercises and write the weights in Hugging Face layout.

    Args:
        settings: Where, how long, which episodes are held out.
        resume: Continue from the run folder's checkpoint if there is one.
        on_step: Told the step and its figures, for progress.

    Returns:
        The folder with the weights.
    """
    torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    tokenizer = checkpoint.train_tokenizer(all_texts(settings.examples))
    processor = checkpoint.make_processor(tokenizer)
    learner = PlannerLearner(checkpoint.make_model(tokenizer))
    exercises = Exercises(settings.examples, tokenizer)
    optimizer = torch.optim.AdamW(learner.parameters(), weight_decay=0.01, betas=(0.9, 0.98))
    run = TrainingRun(settings.run_folder, learner, optimizer, settings.schedule)
    if resume:
        run.resume()
    _learn(run, learner, exercises, settings, processor, on_step)
    checkpoint.save(settings.out, learner.model, processor)
    draw_curves(settings.run_folder, "planner")
    return settings.out


def _learn(
    run: TrainingRun,
    learner: PlannerLearner,
    exercises: Exercises,
    settings: PlannerTraining,
    processor: Idefics3Processor,
    on_step: Callable[[int, dict[str, float]], None],
) -> None:
    random = np.random.default_rng([settings.seed, run.step])
    is_held_out = exercises.episodes >= settings.held_out_from_episode
    training, validation = np.flatnonzero(~is_held_out), np.flatnonzero(is_held_out)
    batches = exercises.batches(training, _PICTURES, _QUESTIONS, random)
    for step in run.steps():
        batch = _brighten(next(batches), random)
        loss, figures = losses(learner, batch)
        run.learn(loss)
        on_step(step, figures)
        if step % 50 == 0:
            run.note({f"train {name}": value for name, value in figures.items()})
        if (step + 1) % settings.schedule.checkpoint_every == 0:
            run.note(_validate(learner, exercises, validation))
            checkpoint.save(settings.run_folder / "newest", learner.model, processor)


def _brighten(batch: Batch, random: np.random.Generator) -> Batch:
    """Vary light and noise a little, so that exact grey levels mean nothing."""
    pixels = batch.pixels
    gain = torch.tensor(random.uniform(0.85, 1.15, (len(pixels), 1, 1, 1, 1)), dtype=torch.float32)
    noise = torch.randn_like(pixels) * 0.02
    varied = ((pixels + 1) * gain - 1 + noise).clamp(-1, 1)
    return Batch(
        varied, batch.picture, batch.ids, batch.mask, batch.labels, batch.act_index, batch.facts
    )


@torch.no_grad()
def _validate(learner: PlannerLearner, exercises: Exercises, rows: np.ndarray) -> dict[str, float]:
    """Return the figures on held-out episodes; always the same pictures and questions."""
    random = np.random.default_rng(0)
    chosen = random.permutation(rows)[:_VALIDATION_PICTURES]
    sums: dict[str, list[float]] = {}
    for start in range(0, len(chosen), 32):
        _, figures = losses(learner, exercises.collate(chosen[start : start + 32], 1, random))
        for name, value in figures.items():
            sums.setdefault(f"held out {name}", []).append(value)
    return {name: float(np.mean(values)) for name, values in sums.items()}
