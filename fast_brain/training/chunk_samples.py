"""Deals out what the policy would know and what the demonstrator did, as batches.

A sample is of one picture. Its chunk begins there, or some rows later, as of a policy that is late
and says where the arm will be by then (VLASH, arXiv 2512.01031).
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch

from fast_brain.policies.flow_input import proprioception_features, to_pixels
from fast_brain.policies.flow_network import HORIZON, PolicyInput, bucket_words
from fast_brain.training.beginnings import beginnings
from fast_brain.training.frames import Frames
from fast_brain.training.latents import LatentLibrary, NoLatents, Told
from fast_brain.training.shares import remembered_rows, times_dealt
from fast_brain.training.skill_reader import IGNORED

BATCH = 64
_HELD_OUT_SHARE = 0.05
_SUBTASK_WORDS_SHARE, _GOAL_WORDS_SHARE = 0.15, 0.2
_NOISE_STD = (0.004, 0.004, 0.004, 0.03, 0.02, 0.05)


class Question(NamedTuple):
    """What the policy is told without seeing anything, and what it is to make of that.

    ``skill [B]`` is a number in `ChunkSamples.skills`; ``shows_answer [B, L]`` says which entries
    of the cognitive stream show what is asked for, where that is known.
    """

    given: PolicyInput
    skill: torch.Tensor
    shows_answer: torch.Tensor


class ChunkSamples:
    """Deals out batches of what the policy would know, and the chunk the demonstrator did."""

    def __init__(
        self,
        frames: Frames,
        latents: LatentLibrary | NoLatents,
        *,
        roll_share: float = 0.0,
        longest_roll_rows: int = 0,
    ) -> None:
        self._frames = frames
        self._latents = latents
        self._roll_share = roll_share
        self._longest_roll_rows = longest_roll_rows
        self._last_row = _last_rows_of_segments(frames)
        self._subtask_words = {text: bucket_words(text) for text in set(frames.subtask)}
        self._goal_words = {number: bucket_words(text) for number, text in frames.goal_text.items()}
        self._skills = tuple(sorted(set(frames.skill)))
        number_of = {skill: number for number, skill in enumerate(self._skills)}
        self._skill_number = np.array([number_of[skill] for skill in frames.skill], np.int64)
        episodes = np.unique(frames.episode)
        held_out_from = episodes[int(len(episodes) * (1 - _HELD_OUT_SHARE))]
        is_held_out = frames.episode[frames.row] >= held_out_from
        self._is_remembered = remembered_rows(frames)
        self._waits, self._begins = (rows[frames.row] for rows in beginnings(frames))
        training = np.flatnonzero(~is_held_out)
        self.training = np.repeat(training, times_dealt(frames, training))
        self.validation = np.flatnonzero(is_held_out)

    def decisive(self, pictures: np.ndarray) -> np.ndarray:
        """Return those at which the arm begins after a wait, and as many of the wait."""
        begins = pictures[self._begins[pictures]]
        waits = pictures[self._waits[pictures]]
        return np.concatenate([begins, waits[:: max(len(waits) // max(len(begins), 1), 1)]])

    @property
    def skills(self) -> tuple[str, ...]:
        """Every skill that a demonstrator did; "" is to wait."""
        return self._skills

    def skill_numbers(self, pictures: np.ndarray, given: PolicyInput) -> torch.Tensor:
        """Return the number of each sample's skill in `skills`, `IGNORED` where words tell it."""
        numbers = self._skill_number[self._frames.row[pictures]]
        return torch.where(given.has_latent, torch.from_numpy(numbers), IGNORED)

    def remembered(self, pictures: np.ndarray) -> np.ndarray:
        """Return those of some pictures whose skill the subtask's words leave open."""
        return pictures[self._is_remembered[self._frames.row[pictures]]]

    def told(self, pictures: np.ndarray, random: np.random.Generator) -> Question:
        """Return inputs that are told by latents and see nothing, with what they ask for."""
        rows = self._frames.row[pictures]
        told = self._latents.draw(rows, random)
        nothing = torch.zeros(len(rows), 0)
        words = [self._subtask_words[self._frames.subtask[row]] for row in rows]
        given = _given((nothing, nothing, nothing), words, told, told.is_found)
        return Question(given, self.skill_numbers(pictures, given), told.shows_answer)

    def batches(
        self, random: np.random.Generator
    ) -> Iterator[tuple[PolicyInput, torch.Tensor, torch.Tensor]]:
        """Yield batches without end: inputs, chunks and the numbers of the skills."""
        size = min(BATCH, len(self.training))
        while True:
            order = random.permutation(self.training)
            for start in range(0, len(order) - size + 1, size):
                pictures = order[start : start + size]
                given, chunk = self.collate(pictures, random, is_training=True)
                yield given, chunk, self.skill_numbers(pictures, given)

    def chunk(self, rows: np.ndarray) -> np.ndarray:
        """Return targets relative to the gripper ``[B, H, A]``; a segment's last one repeats."""
        ahead = np.minimum(rows[:, None] + np.arange(HORIZON), self._last_row[rows][:, None])
        chunk = self._frames.action[ahead].copy()
        chunk[..., :4] -= self._frames.state[rows][:, None, :4]
        return chunk

    def last_row(self, row: int) -> int:
        """Return the last row of the segment that a row is in."""
        return int(self._last_row[row])

    def rolled(self, rows: np.ndarray, ahead: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return states ``[B, 11]`` and chunks ``[B, H, A]`` of ``ahead [B]`` rows later.

        The arm's pose is of then, as it will have moved by what is already under way; what the
        fingers feel, like the pictures, is of now. It stays within the segment.
        """
        start = np.minimum(rows + ahead, self._last_row[rows])
        state = self._frames.state[rows].copy()
        state[:, :4] = self._frames.state[start][:, :4]
        return state, self.chunk(start)

    def collate(
        self,
        pictures: np.ndarray,
        random: np.random.Generator,
        *,
        is_training: bool,
        ahead: np.ndarray | None = None,
    ) -> tuple[PolicyInput, torch.Tensor]:
        """Return inputs and chunks for the given picture numbers, begun ``ahead [B]`` rows later.

        None for ``ahead`` is a draw of it in training, and at once otherwise.
        """
        frames = self._frames
        rows = frames.row[pictures]
        if ahead is None:
            ahead = self._draw_ahead(len(rows), random, is_training=is_training)
        state, chunk = self.rolled(rows, ahead)
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
        body = torch.from_numpy(proprioception_features(state))
        given = _given((front, wrist, body), words, told, has_latent)
        return given, torch.from_numpy(chunk)

    def _draw_ahead(
        self, count: int, random: np.random.Generator, *, is_training: bool
    ) -> np.ndarray:
        if not (is_training and self._longest_roll_rows):
            return np.zeros(count, np.int64)
        is_late = random.random(count) < self._roll_share
        return is_late * random.integers(1, self._longest_roll_rows + 1, count)

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
            # Not torch's own numbers, which are the learner's: batches are made beside it.
            drawn = torch.Generator().manual_seed(int(random.integers(2**63)))
            grain = torch.randn(pixels.shape, generator=drawn) * 0.02
            pixels = ((pixels + 1) * gain - 1 + grain).clamp(-1, 1)
        return pixels


def _given(
    sensed: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    words: list[list[int]],
    told: Told,
    has_latent: np.ndarray,
) -> PolicyInput:
    """What both pictures and the body tell, with what words and memory do."""
    return PolicyInput(
        *sensed,
        torch.tensor(words),
        told.perceptual,
        told.cognitive,
        told.elapsed_s,
        told.is_kept,
        torch.from_numpy(has_latent),
        told.cognitive_elapsed_s,
        told.now_s,
    )


def _last_rows_of_segments(frames: Frames) -> np.ndarray:
    key = frames.episode.astype(np.int64) * 1000 + frames.segment
    ends = np.append(np.flatnonzero(np.diff(key)), len(key) - 1)
    return ends[np.searchsorted(ends, np.arange(len(key)))]
