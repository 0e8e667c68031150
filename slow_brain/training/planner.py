"""Trains the planner: next-token loss on the thought, and the scene's facts read on the way.

Facts read from the act token make its hidden state worth handing over: next-token loss alone asks
of it only that the text ends here (compare LCB, arXiv 2405.04798, and OpenHelix, 2505.03912, which
train their act token through the policy). Facts read from the image tokens teach the eye directly:
in the text, the few tokens that depend on the picture drown among those that do not.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from transformers import Idefics3ForConditionalGeneration, Idefics3Processor

from bridge.training_run import Schedule, TrainingRun, draw_curves
from slow_brain import checkpoint
from slow_brain.training.examples import IGNORED, Batch, Exercises, all_texts
from slow_brain.training.new_words import learn_new_words

# Number of classes of each entry of an exercise's `facts`; of one that is IGNORED no loss is taken.
FACT_CLASSES = (3, 3, 2, 2, 2, 2, 6, 3, 2, 17)
# The first of them can be seen in the picture; the others depend on the question.
SEEN_FACTS = 8
_FACTS_WEIGHT, _SEEING_WEIGHT = 0.1, 0.2
_PICTURES, _QUESTIONS = 24, 1
_VALIDATION_PICTURES = 192
_SHIFT_PX = 2


@dataclass(frozen=True, kw_only=True)
class PlannerTraining:
    """Where to read and write, and how long to learn.

    With ``new_words`` weights to start from get tokens for the words of the exercises. ``phrases``
    are tokens as a whole, where tokens are learned. ``openers`` are words without meaning that may
    stand before a goal.
    """

    examples: Path
    run_folder: Path
    out: Path
    schedule: Schedule
    held_out_from_episode: int
    start_from: Path | None = None
    new_words: bool = False
    phrases: tuple[str, ...] = ()
    openers: tuple[str, ...] = ()
    seed: int = 0
    threads: int = 1


class FactReader(nn.Module):
    """Reads the scene's facts from hidden states; used in training only."""

    def __init__(self, width: int, classes: tuple[int, ...]) -> None:
        super().__init__()
        self.heads = nn.ModuleList(nn.Linear(width, count) for count in classes)

    def forward(self, states: torch.Tensor) -> list[torch.Tensor]:
        """Return one row of logits ``[B, classes]`` a fact."""
        return [head(states) for head in self.heads]

    def loss(self, states: torch.Tensor, facts: torch.Tensor) -> torch.Tensor:
        """Return the summed cross-entropy of ``facts [B, F]``."""
        losses = [
            functional.cross_entropy(logits, known, ignore_index=IGNORED, reduction="sum")
            / (known != IGNORED).sum().clamp_min(1)
            for logits, known in zip(self(states), facts.T, strict=True)
        ]
        return torch.stack(losses).sum()


class PlannerLearner(nn.Module):
    """The model with its fact reader."""

    def __init__(self, model: Idefics3ForConditionalGeneration) -> None:
        super().__init__()
        self.model = model
        self.facts = FactReader(checkpoint.LATENT_WIDTH, FACT_CLASSES)
        width = checkpoint.IMAGE_TOKENS * checkpoint.LATENT_WIDTH
        self.seen = FactReader(width, FACT_CLASSES[:SEEN_FACTS])

    def forward(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return token logits ``[B, T, V]``, the act token's states ``[B, D]``, and the image
        tokens as the text model receives them ``[B, N * D]``.
        """  # noqa: D205 - three results need two lines.
        encoded = self.model.model.get_image_features(
            batch.pixels,
            return_dict=True,  # pyright: ignore[reportCallIssue]  # Added by a decorator upstream.
        )
        # Several questions share one picture, which is looked at once.
        encoded.pooler_output = encoded.pooler_output[batch.picture]
        hidden = self.model.model(
            input_ids=batch.ids,
            attention_mask=batch.mask,
            mm_encoder_outputs={"image": encoded},
            use_cache=False,
        ).last_hidden_state
        act = hidden[torch.arange(len(batch.ids)), batch.act_index]
        return self.model.lm_head(hidden), act, encoded.pooler_output.flatten(1)


def losses(learner: PlannerLearner, batch: Batch) -> tuple[torch.Tensor, dict[str, float]]:
    """Return the loss and the figures of one batch."""
    logits, act, image = learner(batch)
    targets = batch.labels[:, 1:]
    text = functional.cross_entropy(
        logits[:, :-1].flatten(0, 1), targets.flatten(), ignore_index=IGNORED
    )
    reading = learner.facts.loss(act, batch.facts)
    seeing = learner.seen.loss(image, batch.facts[:, :SEEN_FACTS])
    right = (logits[:, :-1].argmax(-1) == targets) | (targets == IGNORED)
    figures = {
        "text loss": float(text.detach()),
        "facts loss": float(reading.detach()),
        "seeing loss": float(seeing.detach()),
        "whole answer right": float(right.all(-1).float().mean()),
    }
    return text + _FACTS_WEIGHT * reading + _SEEING_WEIGHT * seeing, figures


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
    model, processor = _begin(settings)
    learner = PlannerLearner(model)
    exercises = Exercises(settings.examples, processor.tokenizer, settings.openers)
    optimizer = torch.optim.AdamW(learner.parameters(), weight_decay=0.01, betas=(0.9, 0.98))
    run = TrainingRun(settings.run_folder, learner, optimizer, settings.schedule)
    if resume:
        run.resume()
    _learn(run, learner, exercises, settings, processor, on_step)
    checkpoint.save(settings.out, learner.model, processor)
    draw_curves(settings.run_folder, "planner")
    return settings.out


def _begin(
    settings: PlannerTraining,
) -> tuple[Idefics3ForConditionalGeneration, Idefics3Processor]:
    if settings.start_from is not None:
        model, processor = checkpoint.load(settings.start_from)
        if settings.new_words:
            texts = all_texts(settings.examples)
            processor = learn_new_words(model, processor.tokenizer, texts, settings.phrases)
        return model.train(), processor
    tokenizer = checkpoint.train_tokenizer(all_texts(settings.examples), settings.phrases)
    return checkpoint.make_model(tokenizer), checkpoint.make_processor(tokenizer)


def _learn(  # noqa: PLR0917  # One caller, which names the same things in the same order.
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
        batch = _vary(next(batches), random)
        loss, figures = losses(learner, batch)
        run.learn(loss)
        on_step(step, figures)
        if step % 50 == 0:
            run.note({f"train {name}": value for name, value in figures.items()})
        if (step + 1) % settings.schedule.checkpoint_every == 0:
            run.note(_validate(learner, exercises, validation))
            checkpoint.save(settings.run_folder / "newest", learner.model, processor)


def _vary(batch: Batch, random: np.random.Generator) -> Batch:
    """Vary light, noise and aim a little, so that exact grey levels and pixels mean nothing."""
    pixels = batch.pixels
    gain = torch.tensor(random.uniform(0.85, 1.15, (len(pixels), 1, 1, 1, 1)), dtype=torch.float32)
    noise = torch.randn_like(pixels) * 0.02
    varied = ((pixels + 1) * gain - 1 + noise).clamp(-1, 1)
    for row, shift in enumerate(random.integers(-_SHIFT_PX, _SHIFT_PX + 1, (len(pixels), 2))):
        varied[row] = torch.roll(varied[row], tuple(int(by) for by in shift), dims=(-2, -1))
    return replace(batch, pixels=varied)


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
