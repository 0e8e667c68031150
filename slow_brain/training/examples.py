"""Reads the planner's exercises into memory and deals them out as batches of tokens."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from PIL import Image
from transformers import PreTrainedTokenizerFast

from slow_brain.checkpoint import (
    END,
    FAKE_TOKEN,
    GLOBAL_TOKEN,
    IMAGE_TOKENS,
)
from slow_brain.prompt import ACT_TOKEN, IMAGE_TOKEN

IGNORED = -100
# What the shipped prompts begin with, and what share of them get words before the goal.
_GOAL = "goal:"
_OPENED_SHARE = 0.3
_IMAGE_MARKS = FAKE_TOKEN + GLOBAL_TOKEN + IMAGE_TOKEN * IMAGE_TOKENS + FAKE_TOKEN


@dataclass(frozen=True)
class Batch:
    """Padded token sequences, and which picture each one is about."""

    pixels: torch.Tensor  # float32 [pictures, 1, 3, H, W] in [-1, 1]
    picture: torch.Tensor  # int64 [B], row of `pixels`
    ids: torch.Tensor  # int64 [B, T]
    mask: torch.Tensor  # int64 [B, T], 1 where there is a token
    labels: torch.Tensor  # int64 [B, T], IGNORED outside the answer
    act_index: torch.Tensor  # int64 [B], place of ACT_TOKEN
    facts: torch.Tensor  # int64 [B, F], see the exercises


@dataclass(frozen=True)
class _Question:
    prompt_ids: list[int]
    answer_ids: list[int]
    facts: list[int]


def to_pixels(images: np.ndarray) -> torch.Tensor:
    """Return uint8 ``[n, H, W, 3]`` as the model's float32 ``[n, 1, 3, H, W]`` in [-1, 1]."""
    pixels = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float()
    return (pixels / 127.5 - 1.0).unsqueeze(1)


def tokenize_question(
    tokenizer: PreTrainedTokenizerFast, prompt: str, answer: str
) -> tuple[list[int], list[int]]:
    """Return the token ids of a prompt (its picture spelled out) and of its answer."""
    texts = [prompt.replace(IMAGE_TOKEN, _IMAGE_MARKS), f"{answer}{ACT_TOKEN}{END}"]
    prompt_ids, answer_ids = tokenizer(texts, add_special_tokens=False)["input_ids"]
    return prompt_ids, answer_ids


def pad_questions(
    asked: list[tuple[list[int], list[int]]], pad_id: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return ids, mask and labels ``[B, T]``, and each act token's place ``[B]``."""
    width = max(len(prompt) + len(answer) for prompt, answer in asked)
    ids = torch.full((len(asked), width), pad_id)
    labels = torch.full((len(asked), width), IGNORED)
    mask = torch.zeros((len(asked), width), dtype=torch.int64)
    for line, (prompt, answer) in enumerate(asked):
        end = len(prompt) + len(answer)
        ids[line, :end] = torch.tensor(prompt + answer)
        labels[line, len(prompt) : end] = torch.tensor(answer)
        mask[line, :end] = 1
    act_index = torch.tensor([len(prompt) + len(answer) - 2 for prompt, answer in asked])
    return ids, mask, labels, act_index


class Exercises:
    """All pictures and questions of one parquet file.

    ``openers`` may stand before a goal: `batches` puts one there now and then.
    """

    def __init__(
        self, path: Path, tokenizer: PreTrainedTokenizerFast, openers: Sequence[str] = ()
    ) -> None:
        self._tokenizer = tokenizer
        self._goal_ids = self._ids(_GOAL)
        self._openers = [self._ids(f" {opener}") for opener in openers]
        self.episodes: np.ndarray = np.asarray(pq.read_table(path, columns=["episode"])["episode"])
        self.images = np.empty((len(self.episodes), 96, 96, 3), np.uint8)
        self._questions: list[list[_Question]] = []
        self._read(path)

    def _read(self, path: Path) -> None:
        start = 0
        for part in pq.ParquetFile(path).iter_batches(512):
            for offset, row in enumerate(part.to_pylist()):
                with Image.open(io.BytesIO(row["image"])) as image:
                    self.images[start + offset] = np.asarray(image)
                self._questions.append([self._question(each) for each in row["questions"]])
            start += part.num_rows

    def _ids(self, text: str) -> list[int]:
        return self._tokenizer(text, add_special_tokens=False)["input_ids"]  # pyright: ignore[reportReturnType]  # One text, one list.

    def _question(self, question: dict[str, Any]) -> _Question:
        ids = tokenize_question(self._tokenizer, question["prompt"], question["answer"])
        return _Question(*ids, list(question["facts"]))

    def batches(
        self, rows: np.ndarray, pictures: int, per_picture: int, random: np.random.Generator
    ) -> Iterator[Batch]:
        """Yield batches without end, shuffled anew each round."""
        size = min(pictures, len(rows))
        while True:
            order = random.permutation(rows)
            for start in range(0, len(order) - size + 1, size):
                rows_now = order[start : start + size]
                yield self.collate(rows_now, per_picture, random, is_training=True)

    def collate(
        self,
        rows: np.ndarray,
        per_picture: int,
        random: np.random.Generator,
        *,
        is_training: bool = False,
    ) -> Batch:
        """Return ``per_picture`` random questions about each picture in ``rows``.

        In training some goals begin with an opener.
        """
        chosen: list[tuple[int, _Question]] = []
        for place, row in enumerate(rows):
            asked = self._questions[row]
            numbers = random.permutation(len(asked))[:per_picture]
            chosen.extend((place, asked[number]) for number in numbers)
        prompts = [question.prompt_ids for _, question in chosen]
        if is_training and self._openers:
            prompts = [self._opened(prompt, random) for prompt in prompts]
        answers = [question.answer_ids for _, question in chosen]
        asked = list(zip(prompts, answers, strict=True))
        pad_id: int = self._tokenizer.pad_token_id  # pyright: ignore[reportAssignmentType]  # Set.
        ids, mask, labels, act_index = pad_questions(asked, pad_id)
        return Batch(
            to_pixels(self.images[rows]),
            torch.tensor([place for place, _ in chosen]),
            ids,
            mask,
            labels,
            act_index,
            torch.tensor([q.facts for _, q in chosen]),
        )

    def _opened(self, prompt: list[int], random: np.random.Generator) -> list[int]:
        place = len(self._goal_ids)
        if prompt[:place] != self._goal_ids or random.random() >= _OPENED_SHARE:
            return prompt
        opener = self._openers[int(random.integers(len(self._openers)))]
        return [*prompt[:place], *opener, *prompt[place:]]


def all_texts(path: Path) -> Iterator[str]:
    """Yield every prompt and answer, for the tokenizer."""
    for part in pq.ParquetFile(path).iter_batches(512, columns=["questions"]):
        for row in part.to_pylist():
            for question in row["questions"]:
                yield question["prompt"]
                yield question["answer"]
