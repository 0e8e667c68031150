"""Lets the trained planner look at the demonstrations, and keeps the latents it hands over.

The text is the expert's (read along, not decoded), so that a latent always carries the decision
that the demonstrator then carried out.
"""

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from agent.demos.dataset import (
    decode_image,
    read_episode,
    read_infos,
    recorded_episodes,
    row_count,
)
from agent.demos.memory_examples import Present, memory_thought, task_of
from agent.demos.planner_examples import chosen_subtask, thought_text
from agent.demos.record import is_subtask_done
from agent.worlds.scene.memory_tasks import MemoryTask
from agent.worlds.scene.memory_tasks_plan import Notes
from agent.worlds.scene.tasks import SceneGoal
from fast_brain.robots.scene_facts import SceneFacts
from slow_brain.checkpoint import load
from slow_brain.decoding import TextDecoder
from slow_brain.prompt import MEMORY_PROMPT, NOTHING, SHIPPED_PROMPT, planner_prompt
from slow_brain.training.examples import pad_questions, to_pixels, tokenize_question

# The planner looks this often [frames of 50 ms] while latents are made.
FRAME_STRIDE = 8
_BATCH = 32
# Of the looks, this share says that nothing is under way yet, as the first plan of a goal does.
_FRESH_SHARE = 0.1


@dataclass(frozen=True)
class _Look:
    episode: int
    frame: int
    image: bytes
    prompt: str
    answer: str
    subtask: str


def _looks(
    root: Path, first_number: int, random: np.random.Generator, prompt: str
) -> Iterator[_Look]:
    for offset, episode in enumerate(recorded_episodes(root)):
        table, info = read_episode(root, episode)
        if not _is_looked_at(info):
            continue
        for row in table.to_pylist()[::FRAME_STRIDE]:
            yield _look(row, info, first_number + offset, random, prompt)


def _is_looked_at(info: dict[str, Any]) -> bool:
    """Whether an episode teaches: of memory tasks, those that were lost do not."""
    return "memory_task" not in info or bool(info["success"])


def look_count(sources: list[Path]) -> int:
    """How many looks the planner takes at these demonstrations."""
    return sum(
        math.ceil(row_count(root, episode) / FRAME_STRIDE)
        for root in sources
        for episode, info in read_infos(root)
        if _is_looked_at(info)
    )


def _look(
    row: dict[str, Any],
    info: dict[str, Any],
    episode: int,
    random: np.random.Generator,
    prompt: str,
) -> _Look:
    if (task := task_of(info)) is not None:
        return _memory_look(row, info, task, episode)
    goal, facts = SceneGoal(**info["goal"]), SceneFacts(**json.loads(row["facts"]))
    current = None if random.random() < _FRESH_SHARE else row["subtask"]
    position_m = np.array(row["observation.state"][:3])
    is_done = current is not None and is_subtask_done(current, facts, position_m)
    return _Look(
        episode,
        row["frame_index"],
        row["observation.images.front"]["bytes"],
        planner_prompt(info["goal_text"], row["finished"], current, prompt),
        thought_text(goal, facts, current, is_done=is_done, prompt=prompt),
        chosen_subtask(goal, facts, current, is_done=is_done) or NOTHING,
    )


def _memory_look(
    row: dict[str, Any], info: dict[str, Any], task: MemoryTask, episode: int
) -> _Look:
    notes = Notes(tuple(row["finished"]), row["subtask"] if row["frame_index"] else None)
    answer, step = memory_thought(task, Present.of(row), notes)
    return _Look(
        episode,
        row["frame_index"],
        row["observation.images.front"]["bytes"],
        planner_prompt(info["goal_text"], notes.finished, notes.current, MEMORY_PROMPT),
        answer,
        step or NOTHING,
    )


def build_latents(
    sources: list[Path],
    weights: Path,
    out: Path,
    on_progress: Callable[[int], None],
    *,
    prompt: str = SHIPPED_PROMPT,
) -> int:
    """Write the latents of every demonstration as one ``npz``; returns how many there are.

    Args:
        sources: Recorded datasets.
        weights: Of the planner.
        out: The file to write.
        on_progress: Told how many there are by now.
        prompt: What the planner is asked with, but for memory tasks, which have their own.
    """
    model, processor = load(weights)
    decoder = TextDecoder(model, processor)
    random = np.random.default_rng(0)
    kept: dict[str, list[np.ndarray]] = {}
    batch: list[_Look] = []
    number = count = 0
    for source in sources:
        for look in _looks(source, number, random, prompt):
            batch.append(look)
            if len(batch) == _BATCH:
                _keep(batch, decoder, processor.tokenizer, kept)
                count += len(batch)
                on_progress(count)
                batch = []
        number += len(recorded_episodes(source))
    if batch:
        _keep(batch, decoder, processor.tokenizer, kept)
        count += len(batch)
        on_progress(count)
    out.parent.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Any] = {name: np.concatenate(parts) for name, parts in kept.items()}
    # Aside, then into place: training that is resumed takes what is there for whole.
    aside = out.with_suffix(".partial.npz")
    np.savez(aside, **arrays)
    aside.replace(out)
    return count


@torch.inference_mode()
def read_along(
    decoder: TextDecoder,
    tokenizer: Any,  # noqa: ANN401  # transformers types its tokenizers so.
    texts: Sequence[tuple[str, str]],
    images: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the latents [B, N, D] and [B, 1, D] that writing given answers would have left.

    Args:
        decoder: The planner.
        tokenizer: Its tokenizer.
        texts: Prompts, each with its answer.
        images: What each was about, uint8 ``[B, 96, 96, 3]``.
    """
    asked = [tokenize_question(tokenizer, prompt, answer) for prompt, answer in texts]
    ids, mask, _, act_index = pad_questions(asked, tokenizer.pad_token_id)
    return decoder.read_along(ids, mask, to_pixels(images), act_index)


def _keep(
    looks: list[_Look],
    decoder: TextDecoder,
    tokenizer: Any,  # noqa: ANN401  # transformers types its tokenizers so.
    kept: dict[str, list[np.ndarray]],
) -> None:
    images = np.stack([decode_image(look.image) for look in looks])
    texts = [(look.prompt, look.answer) for look in looks]
    perceptual, cognitive = read_along(decoder, tokenizer, texts, images)
    for name, values in (
        ("perceptual", perceptual.astype(np.float16)),
        ("cognitive", cognitive.astype(np.float16)),
        ("episode", np.array([look.episode for look in looks])),
        ("frame", np.array([look.frame for look in looks])),
        ("subtask", np.array([look.subtask for look in looks])),
    ):
        kept.setdefault(name, []).append(values)
