"""Teaches the policy to look things up before it learns to act on them: memory in, a skill out.

Where the words leave the skill open, only what is remembered tells it. Beside pictures and chunks,
that lesson is hardly heard: few samples ask for it, and the arm's way says late which skill it is.
So it comes first and alone. The network's reading of words and memory is trained with the
`SkillReader`, without pictures: a step costs a fraction of one that looks, and half of the samples
are ones that only memory answers.

Where the demonstrations tell when the answer was to be seen, attention is taught to go there. From
the skills alone it learns that only as far as nothing else lets guess: of three lights the first
two nearly tell the third, and so it was never looked for.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import torch
from torch import nn

from bridge.training_run import draw_curves
from fast_brain.policies.flow_network import FlowNetwork, load_weights, save_weights
from fast_brain.training.chunk_samples import ChunkSamples, Question
from fast_brain.training.policy_settings import PolicyTraining, begin_run, samples_of
from fast_brain.training.read_ahead import read_ahead
from fast_brain.training.skill_reader import IGNORED, SkillReader

BATCH = 64
# Of a batch, those that only memory answers, and those at which the arm waits for a moment or
# begins; the others keep what is known already.
_REMEMBERED_SHARE, _DECISIVE_SHARE = 0.5, 0.2
_EXAMINED = 512
_LOOKING_WEIGHT, _NO_LOG_BELOW = 0.1, 1e-6
READER_FILE = "reader.pt"


def train_reading(
    settings: PolicyTraining, *, resume: bool, on_step: Callable[[int, dict[str, float]], None]
) -> Path:
    """Train and write ``policy.safetensors`` and the reader beside it; returns the folder."""
    torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    samples = samples_of(settings, on_step)
    network = FlowNetwork()
    if settings.start_from is not None:
        load_weights(network, settings.start_from / "policy.safetensors")
    learner = _Learner(network, SkillReader(len(samples.skills)))
    run = begin_run(settings, learner, resume=resume)
    batches = reading_batches(samples, np.random.default_rng([settings.seed, run.step]))
    with closing(read_ahead(batches)) as ahead:
        for step in run.steps():
            loss, right = learner(next(ahead))
            run.learn(loss)
            on_step(step, {"skill read right": right})
            if step % 50 == 0:
                run.note({"train loss": float(loss.detach()), "train skill read right": right})
            if (step + 1) % settings.schedule.checkpoint_every == 0:
                run.note(reading_figures(network, learner.reader, samples))
    settings.out.mkdir(parents=True, exist_ok=True)
    save_weights(network, settings.out / "policy.safetensors")
    torch.save(learner.reader.state_dict(), settings.out / READER_FILE)
    draw_curves(settings.run_folder, "reading")
    return settings.out


@torch.no_grad()
def reading_figures(
    network: FlowNetwork, reader: SkillReader, samples: ChunkSamples
) -> dict[str, float]:
    """How often a skill is read right in held-out episodes where only memory tells it.

    And how often it is where the arm waits for a moment, or begins: half of each.
    """
    pools = {
        "held out remembered skill right": samples.remembered(samples.validation),
        "held out beginning right": samples.decisive(samples.validation),
    }
    shares = {name: _right(network, reader, samples, pool) for name, pool in pools.items()}
    return {name: float(np.mean(right)) for name, right in shares.items() if right}


def lesson_loss(
    network: FlowNetwork, reader: SkillReader, question: Question
) -> tuple[torch.Tensor, float]:
    """Return the loss of one batch, of the skill and of where it was looked for; the share right.

    Source: attention is supervised by the logarithm of the weight that falls on what is known to
    matter, as alignments are in Liu et al. (arXiv 1609.04186); here every head's.
    """
    skill, right = reader.loss(network.read(question.given), question.skill)
    on_answer = attention_on_answers(network, question)
    looking = -(on_answer + _NO_LOG_BELOW).log().mean(1).sum() / len(question.skill)
    return skill + _LOOKING_WEIGHT * looking, right


def attention_on_answers(network: FlowNetwork, question: Question) -> torch.Tensor:
    """Return how much of each head's attention goes to what shows the answer ``[K, H]``.

    Of those of a batch that ask for something of which it is known where it was shown.
    """
    has_answer = question.shows_answer.any(1)
    weights = network.cognitive_attention(question.given)
    return (weights * question.shows_answer[:, None]).sum(-1)[has_answer]


def _right(
    network: FlowNetwork, reader: SkillReader, samples: ChunkSamples, pool: np.ndarray
) -> list[float]:
    """Return 1 for each of some pictures of which the skill is read right, else 0."""
    random = np.random.default_rng(1)
    pictures = random.permutation(pool)[:_EXAMINED]
    right: list[float] = []
    for start in range(0, len(pictures), BATCH):
        question = samples.told(pictures[start : start + BATCH], random)
        is_right = reader.read(network.read(question.given)).argmax(-1) == question.skill
        right += is_right[question.skill != IGNORED].float().tolist()
    return right


class _Learner(nn.Module):
    """The part of a network that reads, and the reader: no other weights are touched."""

    def __init__(self, network: FlowNetwork, reader: SkillReader) -> None:
        super().__init__()
        self.reading = network.reading_parts()
        self.reader = reader
        # In a list it is no part of this module: the rest of it is neither trained nor saved.
        self._network = [network]

    def forward(self, question: Question) -> tuple[torch.Tensor, float]:
        return lesson_loss(self._network[0], self.reader, question)


def reading_batches(samples: ChunkSamples, random: np.random.Generator) -> Iterator[Question]:
    """Yield batches without end, of which shares are of what memory and time decide."""
    shares = (
        (samples.remembered(samples.training), _REMEMBERED_SHARE),
        (samples.decisive(samples.training), _DECISIVE_SHARE),
    )
    counted = [(pool, round(BATCH * share)) for pool, share in shares if len(pool)]
    others = BATCH - sum(count for _, count in counted)
    while True:
        drawn = [
            random.choice(pool, count) for pool, count in (*counted, (samples.training, others))
        ]
        yield samples.told(np.concatenate(drawn), random)
